"""Adapters are refused in one plain sentence, before torch or a weight is touched."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from medreason.errors import MedReasonError
from medreason.models.adapters import check_fits, list_adapters, read_adapter
from tests.tiny import write_tensors

LAYER = "model.layers.0.self_attn.q_proj"
SHAPES = {LAYER: (6, 4)}


def tensors(rank: int = 2, inputs: int = 4, outputs: int = 6, layer: str = LAYER) -> dict[str, np.ndarray]:
    return {
        f"base_model.model.{layer}.lora_A.weight": np.ones((rank, inputs)),
        f"base_model.model.{layer}.lora_B.weight": np.ones((outputs, rank)),
    }


@pytest.fixture
def adapter(tmp_path: Path):
    """Writes an adapter; keyword arguments change its configuration."""

    def write(weights: dict[str, np.ndarray] | None = None, manifest: dict | None = None, **config) -> Path:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", "init_lora_weights": True}
        (folder / "adapter_config.json").write_text(json.dumps({**settings, **config}))
        write_tensors(folder / "adapter_model.safetensors", tensors() if weights is None else weights)
        if manifest is not None:
            (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return write


def test_a_plain_adapter_is_read_with_its_scale(adapter):
    info = read_adapter(adapter(manifest={"base_model": "embedded", "base_sha256": "ab"}))
    assert (info.name, info.rank, info.base_model, info.base_sha256) == ("mine", 2, "embedded", "ab")
    assert info.layers[LAYER].scale == 2.0
    check_fits(info, "embedded", "ab", SHAPES)


def test_rank_and_alpha_patterns_decide_a_layers_scale(adapter):
    folder = adapter(r=8, lora_alpha=8, rank_pattern={"q_proj": 2}, alpha_pattern={"layers.0.*": 6})
    assert read_adapter(folder).layers[LAYER].scale == 3.0


def test_rslora_divides_by_the_root_of_the_rank(adapter):
    folder = adapter(weights=tensors(rank=4), r=4, use_rslora=True)
    assert read_adapter(folder).layers[LAYER].scale == 2.0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"peft_type": "IA3"}, "only LoRA"),
        ({"use_dora": True}, "DoRA"),
        ({"init_lora_weights": "pissa_niter_16"}, "changes the base"),
        ({"init_lora_weights": "olora"}, "changes the base"),
        ({"init_lora_weights": "lora_ga"}, "changes the base"),
        ({"init_lora_weights": "corda"}, "changes the base"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [1]}, "retrained tokens"),
        ({"bias": "all"}, "biases"),
        ({"some_new_kind": True}, "some_new_kind"),
        ({"r": 0}, "above 0"),
        ({"r": 3}, "do not match its rank"),
    ],
)
def test_what_is_not_plain_lora_is_refused_by_name(adapter, config, said):
    with pytest.raises(MedReasonError, match=said):
        read_adapter(adapter(**config))


def test_missing_things_are_named(adapter, tmp_path):
    with pytest.raises(MedReasonError, match="no adapter at"):
        read_adapter(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MedReasonError, match="has no adapter_config.json"):
        read_adapter(tmp_path / "empty")
    folder = adapter()
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(MedReasonError, match="no weights"):
        read_adapter(folder)


def test_pickle_weights_are_refused_and_never_opened(adapter, tmp_path):
    folder = adapter()
    (folder / "adapter_model.safetensors").unlink()
    canary = tmp_path / "canary"
    (folder / "adapter_model.bin").write_bytes(b"cposix\nsystem\n(S'touch " + bytes(canary) + b"'\ntR.")
    with pytest.raises(MedReasonError, match="pickle weights only"):
        read_adapter(folder)
    assert not canary.exists()


def test_an_adapter_of_another_base_is_refused(adapter):
    info = read_adapter(adapter(manifest={"base_model": "other", "base_sha256": "cd"}))
    with pytest.raises(MedReasonError, match="trained on other with other weights"):
        check_fits(info, "embedded", "ab", SHAPES)


def test_shapes_that_do_not_match_are_refused(adapter):
    with pytest.raises(MedReasonError, match="has 4 inputs and 6 outputs, the adapter's 5 and 6"):
        check_fits(read_adapter(adapter(weights=tensors(inputs=5))), "embedded", "", SHAPES)
    with pytest.raises(MedReasonError, match="no linear layer other"):
        check_fits(read_adapter(adapter(weights=tensors(layer="other"))), "embedded", "", SHAPES)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(adapter, value):
    weights = tensors()
    weights[f"base_model.model.{LAYER}.lora_B.weight"][5, 1] = value
    with pytest.raises(MedReasonError, match="not finite"):
        check_fits(read_adapter(adapter(weights=weights)), "embedded", "", SHAPES)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 8) + b'{"a":{}}',
        struct.pack("<Q", 50_000) + b"[" * 50_000,
    ],
)
def test_a_hostile_table_is_refused_in_bounded_memory(adapter, content):
    folder = adapter()
    (folder / "adapter_model.safetensors").write_bytes(content)
    with pytest.raises(MedReasonError, match="damaged or not a safetensors file"):
        read_adapter(folder)


def test_overlapping_tensors_and_trailing_bytes_are_refused(adapter):
    folder = adapter()
    file = folder / "adapter_model.safetensors"
    whole = file.read_bytes()
    for content in (whole + b"\0", whole[:-1], whole.replace(b"[32, 80]", b"[0, 48] ")):
        file.write_bytes(content)
        with pytest.raises(MedReasonError, match="damaged"):
            read_adapter(folder)


def test_a_link_out_of_the_folder_is_refused(adapter, tmp_path):
    folder = adapter()
    file = folder / "adapter_model.safetensors"
    os.replace(file, tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MedReasonError, match="leads out of its folder"):
        read_adapter(folder)
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(MedReasonError, match="leads out of its folder"):
        read_adapter(folder)


def test_the_list_leaves_out_what_cannot_be_worn(adapter, tmp_path):
    good = adapter()
    run = tmp_path / "run-1" / "adapter"
    run.parent.mkdir()
    os.replace(good, run)
    adapter(use_dora=True)
    assert [info.name for info in list_adapters(tmp_path)] == ["run-1"]
