"""Data sets of the hub, read by the hub's own client from a folder laid out as one; what is said on failure."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from medreason.data.sources import load, read_good, source_of
from medreason.data.training_rows import rows_for
from medreason.domain.dataset import COLUMNS, DEFAULT_DATASET, EXPECTED_ROWS, Preparation, Source, SourceKind
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Role, User
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.services.datasets import DataSets
from tests.word_tokenizer import WordTokenizer

CARD = """---
configs:
- config_name: en
  data_files: en/*.json
- config_name: zh
  data_files: zh/*.jsonl
---
"""
COUNT = 600


def row(number: int) -> dict[str, str]:
    return {
        "Question": f"What is finding {number} a sign of? 😀\u2028",
        "Complex_CoT": f"It points to cause {number}.",
        "Response": "That cause.",
    }


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """A folder with a card, two configurations in two formats, one with a faulty row."""
    place = tmp_path / "hub-data"
    for name in ("en", "zh"):
        (place / name).mkdir(parents=True)
    (place / "README.md").write_text(CARD)
    rows = [row(number) for number in range(COUNT)]
    (place / "en" / "rows.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    (place / "zh" / "rows.jsonl").write_text(
        "\n".join(json.dumps(one) for one in [row(0), {**row(1), "Response": None}, row(2)]), encoding="utf-8"
    )
    return place


def source(place: Path | str, config: str = "en") -> Source:
    return Source(SourceKind.HUB, str(place), config)


def refusal(of: Source, folder: DataFolder) -> str:
    with pytest.raises(MedReasonError) as refused:
        load(of, folder)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_rows_are_streamed_with_progress(hub: Path, folder: DataFolder) -> None:
    heard: list[tuple[float | None, str]] = []
    loaded = load(source(hub), folder, lambda share, words: heard.append((share, words)))
    assert loaded.rows_read == len(loaded.rows) == COUNT and loaded.faults == ()
    assert loaded.rows[5].question == row(5)["Question"].strip()
    assert [column.name for column in loaded.columns] == list(COLUMNS)
    assert heard[0][1].startswith("Asking the hub") and "500 rows" in heard[-1][1]
    assert loaded.sha256 == load(source(hub), folder).sha256 != load(source(hub, "zh"), folder).sha256


def test_faulty_rows_are_named_as_in_a_file(hub: Path, folder: DataFolder) -> None:
    loaded = load(source(hub, "zh"), folder)
    with pytest.raises(MedReasonError, match="row 2, column Response is empty"):
        read_good(loaded, skip_faulty=False)
    assert len(read_good(loaded, skip_faulty=True)) == 2


@pytest.mark.parametrize(
    ("config", "said"), [("", "has several configurations, and none was named"), ("fr", "has no configuration fr")]
)
def test_a_missing_configuration_names_those_there_are(
    hub: Path, folder: DataFolder, config: str, said: str
) -> None:
    sentence = refusal(source(hub, config), folder)
    assert said in sentence and "It has en, zh. Name one of them." in sentence


def test_a_row_count_other_than_expected_is_told(
    hub: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXPECTED_ROWS, (str(hub), "en"), COUNT + 1)
    (note,) = load(source(hub), folder).notes
    assert f"has {COUNT} rows, and {COUNT + 1} were expected" in note
    monkeypatch.setitem(EXPECTED_ROWS, (str(hub), "en"), COUNT)
    assert load(source(hub), folder).notes == ()


def test_a_program_is_never_run(tmp_path: Path, folder: DataFolder) -> None:
    place, canary = tmp_path / "script", tmp_path / "canary"
    place.mkdir()
    (place / "script.py").write_text(f"open({str(canary)!r}, 'w')\n")
    assert "programs that load data are never run" in refusal(source(place, ""), folder)
    assert not canary.exists()


def test_a_broken_file_ends_in_a_sentence(hub: Path, folder: DataFolder, caplog: pytest.LogCaptureFixture) -> None:
    (hub / "zh" / "rows.jsonl").write_text(json.dumps(row(0)) + "\n{broken\n")
    with caplog.at_level(logging.CRITICAL):
        assert "Check" in refusal(source(hub, "zh"), folder)


def test_a_data_set_without_rows_is_refused(hub: Path, folder: DataFolder) -> None:
    (hub / "en" / "rows.json").write_text("[]")
    assert "hub-data" in refusal(source(hub), folder)


def test_a_data_set_without_a_part_for_training_names_its_parts(tmp_path: Path, folder: DataFolder) -> None:
    place = tmp_path / "parts"
    place.mkdir()
    for name in ("test", "validation"):
        (place / f"{name}.jsonl").write_text(json.dumps(row(0)))
    assert "has no part “train”; it has " in refusal(source(place, ""), folder)


def test_hub_data_are_prepared_and_trained_on_without_asking_again(
    hub: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medreason.models.tokenizer.load_tokenizer", lambda *args: WordTokenizer())
    monkeypatch.setattr("medreason.services.datasets.source_of", lambda *args: source(hub))
    datasets = DataSets(folder, ())
    user = User(1, "eva", Role.ENGINEER)
    kept = Preparation(min_thinking_chars=0, max_rows=40)
    data = datasets.prepare(user, "mine", "owner/name", "en", "", "", kept, "some/base")
    assert (data.counts.read, data.counts.train, data.counts.held_out) == (COUNT, 38, 2)
    rows = rows_for(TrainingConfig(data="mine", max_rows=0), folder)
    assert (len(rows.train), len(rows.held_out), rows.rows_read) == (38, 2, COUNT)


def test_without_network_one_sentence_says_so_at_once(folder: DataFolder) -> None:
    assert "The hub cannot be reached" in refusal(source_of(DEFAULT_DATASET, "en"), folder)


def answer(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co/api/datasets/owner/name"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("GatedRepoError", "only to those who accepted its terms. Accept them there and set HF_TOKEN"),
        ("RepositoryNotFoundError", "The hub knows no data set owner/name"),
        ("RevisionNotFoundError", "has no revision v9"),
    ],
)
def test_what_the_hub_refuses_is_said_in_words_and_without_the_token(
    name: str, sentence: str, folder: DataFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import HfApi, errors

    def refuse(*args: object, **named: object) -> None:
        raise getattr(errors, name)("hf_canary in a header", response=answer(403))

    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    monkeypatch.setattr(HfApi, "dataset_info", refuse)
    with caplog.at_level(logging.DEBUG):
        said = refusal(source_of("owner/name", revision="v9"), folder)
    assert sentence in said and "hf_canary" not in said + caplog.text


def test_the_commit_that_was_read_is_kept(hub: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    from huggingface_hub import HfApi

    asked: list[tuple[object, ...]] = []
    load_dataset = datasets.load_dataset

    def info(self: HfApi, place: str, *, revision: str | None, timeout: float) -> SimpleNamespace:
        asked.append((place, revision))
        return SimpleNamespace(sha="c" * 40)

    def from_folder(place: str, config: str, *, revision: str, streaming: bool) -> object:
        asked.append((place, config, revision))
        return load_dataset(str(hub), config, streaming=streaming)

    monkeypatch.setattr(HfApi, "dataset_info", info)
    monkeypatch.setattr(datasets, "load_dataset", from_folder)
    loaded = load(source_of("owner/name", "en", "main"), folder)
    assert (loaded.revision, loaded.name, loaded.rows_read) == ("c" * 40, "owner/name", COUNT)
    assert asked == [("owner/name", "main"), ("owner/name", "en", "c" * 40)]
    config = TrainingConfig(data="owner/name", data_config="en", max_rows=10)
    assert rows_for(replace(config, data_revision="main"), folder).revision == "c" * 40
