"""A tokenizer is loaded without its model, runs no code, and is called by a name that says no place."""

import json
import shutil
from pathlib import Path

import pytest

from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models.tokenizer import load_tokenizer, tokenizer_name


@pytest.fixture
def alone(embedded_model: Path, tmp_path: Path) -> Path:
    """A folder that holds a tokenizer and no model."""
    place = tmp_path / "alone"
    place.mkdir()
    for file in embedded_model.iterdir():
        if file.name.startswith(("tokenizer", "special", "chat_template", "vocab", "merges")):
            shutil.copy(file, place)
    return place


def test_a_folder_needs_no_weights(alone: Path, folder: DataFolder) -> None:
    heard: list[str] = []
    found = load_tokenizer(str(alone), "", folder, lambda share, words: heard.append(words))
    assert found("chest pain", add_special_tokens=False)["input_ids"] and found.chat_template
    assert heard == ["Loading the tokenizer…"]


def test_a_model_of_the_data_folder_is_known_by_its_name(alone: Path, folder: DataFolder) -> None:
    shutil.copytree(alone, folder.models / "mine-nf4")
    assert load_tokenizer("mine-nf4", "", folder).chat_template
    assert tokenizer_name("mine-nf4") == "mine-nf4"


def test_code_of_a_folder_is_never_run(alone: Path, folder: DataFolder, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (alone / "own.py").write_text(f"open({str(canary)!r}, 'w')\n")
    told = json.loads((alone / "tokenizer_config.json").read_text(encoding="utf-8"))
    told |= {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    (alone / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    try:
        load_tokenizer(str(alone), "", folder)
    except MedReasonError as fault:
        assert "holds no tokenizer that can be read" in str(fault)
    assert not canary.exists()


def test_a_model_that_cannot_be_asked_is_refused(alone: Path, folder: DataFolder) -> None:
    (alone / "chat_template.jinja").unlink(missing_ok=True)
    told = json.loads((alone / "tokenizer_config.json").read_text(encoding="utf-8"))
    told.pop("chat_template", None)
    (alone / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(MedReasonError, match="has no chat template"):
        load_tokenizer(str(alone), "", folder)


@pytest.mark.parametrize("name", ["", "no such place", "../up", "http://example.org/x"])
def test_what_is_no_model_is_refused(name: str, folder: DataFolder) -> None:
    with pytest.raises(MedReasonError, match="was not found"):
        load_tokenizer(name, "", folder)


@pytest.mark.parametrize("revision", ["", "c" * 40])
def test_without_network_one_sentence_says_so(revision: str, folder: DataFolder) -> None:
    with pytest.raises(MedReasonError, match="is not on this disk and could not be downloaded"):
        load_tokenizer("owner/name", revision, folder)


def test_a_tokenizer_is_called_by_hub_id_or_folder_name(alone: Path) -> None:
    assert tokenizer_name("embedded") == "SmolLM2-135M-Instruct"
    assert tokenizer_name("owner/name") == "owner/name"
    assert tokenizer_name(str(alone)) == "alone"
