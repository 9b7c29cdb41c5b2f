"""Sizes of a base model are read from its config.json, or known, without loading it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.presets import ARTICLE, PRESETS
from medreason.folder import DataFolder
from medreason.models.base_shape import EMBEDDED, QWEN3_8B, BaseShape, base_shape, read_shape, shape_of
from tests.tiny import write_tensors

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}


def model(folder: Path, config: dict) -> Path:
    import numpy as np

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_tensors(folder / "model.safetensors", {"a": np.ones(3)})
    return folder


def test_qwen3_8b_has_its_8_19_billion_weights() -> None:
    assert QWEN3_8B.linear_parameters == 6_945_767_424
    assert QWEN3_8B.table_parameters == 1_244_659_712
    assert round(QWEN3_8B.parameters / 1e9, 2) == 8.19


@pytest.mark.parametrize(("rank", "millions"), [(16, 43.6), (32, 87.3), (64, 174.6)])
def test_an_adapter_on_all_linear_layers_has_as_many_weights_as_peft_counts(rank: int, millions: float) -> None:
    assert round(QWEN3_8B.adapter_parameters(rank, "all-linear") / 1e6, 1) == millions


def test_the_articles_adapter_is_on_two_layers() -> None:
    assert QWEN3_8B.adapter_parameters(8, "q_proj, v_proj") == 36 * 8 * (4096 + 4096 + 1024 + 4096)
    assert QWEN3_8B.adapted("c_attn") == {}


def test_the_embedded_model_is_as_its_own_configuration_says(embedded_model: Path) -> None:
    read = read_shape(embedded_model) or QWEN3_8B
    assert read.norm_epsilon == pytest.approx(EMBEDDED.norm_epsilon)
    assert replace(read, on_disk=True, norm_epsilon=EMBEDDED.norm_epsilon) == EMBEDDED


def test_the_larger_model_is_known_before_it_is_on_disk(folder: DataFolder) -> None:
    shape = base_shape(PRESETS[ARTICLE], folder)
    assert shape == QWEN3_8B and not shape.on_disk


def test_a_folders_shape_is_read_from_it(folder: DataFolder, tmp_path: Path) -> None:
    place = model(tmp_path / "mine", {**LLAMA, "tie_word_embeddings": True, "max_position_embeddings": 512})
    shape = base_shape(TrainingConfig(base_model=str(place)), folder)
    assert shape == BaseShape(2, 64, 128, 4, 4, 16, 100, tied=True, positions=512, on_disk=True, family="llama")
    assert shape.table_parameters == 6400


def test_a_4_bit_folder_and_qwens_head_norms_are_seen() -> None:
    shape = shape_of(
        {**LLAMA, "model_type": "qwen3", "quantization_config": {"load_in_4bit": True}, "head_dim": 32}
    )
    assert shape is not None and shape.quantized and shape.head_norms and shape.head_dim == 32


@pytest.mark.parametrize(
    "config",
    [
        {},
        {**LLAMA, "hidden_size": 0},
        {**LLAMA, "hidden_size": "64"},
        {**LLAMA, "num_hidden_layers": 10**9},
        {**LLAMA, "num_experts": 8},
        {**LLAMA, "num_attention_heads": 0},
        {"model_type": "gpt2", "n_embd": 768},
    ],
)
def test_another_kind_of_model_has_no_known_shape(config: dict) -> None:
    assert shape_of(config) is None


def test_a_base_that_is_none_is_refused_and_an_unknown_one_is_not_known(folder: DataFolder) -> None:
    with pytest.raises(MedReasonError, match="was not found"):
        base_shape(TrainingConfig(base_model="no such model"), folder)
    assert base_shape(TrainingConfig(base_model="somebody/some-model"), folder) is None


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '{"hidden_size": 1e999}'])
def test_a_hostile_configuration_is_no_shape(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    assert read_shape(tmp_path) is None
