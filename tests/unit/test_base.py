"""Names of base models are understood or refused before anything is loaded."""

import json

import numpy as np
import pytest

from medreason.errors import MedReasonError
from medreason.models import embedded
from medreason.models.base import resolve_base
from tests.tiny import write_tensors


@pytest.fixture
def model(tmp_path):
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_text(json.dumps({"model_type": "llama"}))
    write_tensors(place / "model.safetensors", {"a": np.ones(3)})
    return place


def test_embedded_lies_in_the_data_folder(folder):
    source = resolve_base("embedded", "", folder, "auto")
    assert (source.embedded, source.place, source.quantization) == (True, str(folder.embedded_model), "none")


def test_a_folder_with_safetensors_is_a_model(folder, model):
    assert resolve_base(str(model), "", folder, "none").place == str(model)


@pytest.mark.parametrize("name", ["gpt3", "/no/such/place", "../x", "a/b/c", "~/nothing-here", "a b/c", ""])
def test_an_unknown_name_is_refused_with_the_ways_to_name_one(folder, name):
    with pytest.raises(MedReasonError, match="Give “embedded”, an existing folder, or a hub id"):
        resolve_base(name, "", folder, "none")


def test_a_hub_id_is_taken_without_asking_the_network(folder):
    source = resolve_base("Qwen/Qwen3-8B", "abc", folder, "nf4")
    assert (source.place, source.revision, source.quantization) == ("Qwen/Qwen3-8B", "abc", "nf4")


def test_pickle_only_weights_are_refused(folder, model):
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(MedReasonError, match="only pickle weights"):
        resolve_base(str(model), "", folder, "none")


def test_code_of_its_own_is_refused(folder, model):
    config = {"model_type": "llama", "auto_map": {"AutoModel": "evil.Evil"}}
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(MedReasonError, match="program code of its own"):
        resolve_base(str(model), "", folder, "none")


@pytest.mark.parametrize("content", ["", "[]", "{}", "nonsense"])
def test_a_folder_without_configuration_is_no_model(folder, model, content):
    (model / "config.json").write_text(content)
    with pytest.raises(MedReasonError, match="no readable config.json"):
        resolve_base(str(model), "", folder, "none")


def test_a_missing_wheel_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package_at_all")
    with pytest.raises(MedReasonError, match="make setup"):
        embedded.prepare(tmp_path / "models" / "m")
    assert not (tmp_path / "models").exists()


def test_a_conversion_without_its_marker_or_with_a_short_file_does_not_count(tmp_path):
    assert not embedded.is_prepared(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"12345")
    assert not embedded.is_prepared(tmp_path)
    marker = {"files": {"model.safetensors": 5}}
    (tmp_path / embedded.MARKER).write_text(json.dumps(marker))
    assert embedded.is_prepared(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"123")
    assert not embedded.is_prepared(tmp_path)
