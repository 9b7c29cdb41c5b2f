"""The hash of weights is over their contents, not over how they are stored."""

import json

import numpy as np
import pytest

from medreason.errors import MedReasonError
from medreason.models import hashes
from medreason.models.hashes import file_sha256, weight_files, weights_sha256
from tests.tiny import write_tensors

A, B = np.arange(6).reshape(2, 3), np.ones(5)


def test_order_and_sharding_leave_the_hash_alone(tmp_path):
    one, two, shards = (tmp_path / name for name in ("one", "two", "shards"))
    for folder in (one, two, shards):
        folder.mkdir()
    write_tensors(one / "model.safetensors", {"a": A, "b": B})
    write_tensors(two / "model.safetensors", {"b": B, "a": A})
    write_tensors(shards / "1.safetensors", {"b": B})
    write_tensors(shards / "2.safetensors", {"a": A})
    index = {"weight_map": {"a": "2.safetensors", "b": "1.safetensors"}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weights_sha256(one) == weights_sha256(two) == weights_sha256(shards)


@pytest.mark.parametrize("changed", [{"a": A + 1, "b": B}, {"c": A, "b": B}, {"a": A.T, "b": B}])
def test_values_names_and_shapes_change_the_hash(tmp_path, changed):
    write_tensors(tmp_path / "model.safetensors", {"a": A, "b": B})
    before = weights_sha256(tmp_path)
    write_tensors(tmp_path / "model.safetensors", changed)
    assert weights_sha256(tmp_path) != before


def test_large_weights_are_sampled_and_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(hashes, "WHOLE_UP_TO", 100)
    monkeypatch.setattr(hashes, "SAMPLE", 8)
    large = np.arange(64)
    write_tensors(tmp_path / "model.safetensors", {"a": large})
    before = weights_sha256(tmp_path)
    large[0] += 1
    write_tensors(tmp_path / "model.safetensors", {"a": large})
    assert before.startswith("sampled:") and weights_sha256(tmp_path) != before


def test_an_index_with_a_missing_shard_is_no_model(tmp_path):
    index = {"weight_map": {"a": "1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert weight_files(tmp_path) == []
    with pytest.raises(MedReasonError, match="no complete safetensors"):
        weights_sha256(tmp_path)


def test_file_sha256_is_the_files(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert file_sha256(tmp_path / "file").startswith("ba7816bf8f01cfea")
