"""The card of an adapter says what its manifest knows, and nothing where it knows nothing."""

from medreason.demo import ADAPTER
from medreason.domain.training import TrainingConfig
from medreason.finetune.manifest import read_manifest
from medreason.finetune.model_card import model_card

MANIFEST = {
    "run_name": "one",
    "base_model": "Qwen/Qwen3-8B",
    "base_sha256": "aa",
    "adapter_sha256": "bb",
    "precision": "nf4",
    "config": {**vars(TrainingConfig()), "packing": True},
    "data": {"name": "rows", "rows": 9, "rows_in_file": 99, "held_out_rows": 2, "sha256": "cc", "cut_rows": 3},
    "losses": {"first": 2.0, "last": 1.0, "held_out_before": 2.1, "held_out_after": 1.2},
    "steps": 13,
    "total_steps": 40,
    "stopped_at": 13,
    "resumed_from": 4,
    "adapter_step": 12,
    "duration_s": 61.0,
    "tokens_per_s": 1234.0,
    "peak_memory_gib": {"gpu": 15.04},
    "hardware": {"gpu": "NVIDIA H100 80GB HBM3"},
    "versions": {"python": "3.11", "torch": "2.13.0"},
}


def test_it_tells_how_the_adapter_came_about() -> None:
    card = model_card(MANIFEST)
    for words in (
        "base_model: Qwen/Qwen3-8B",
        "9 of 99 rows, 2 of them held out; 3 lost their end",
        "13 steps of 1 packed rows in 61 seconds",
        "Stopped on request at step 13 of 40",
        "Resumed from the checkpoint of step 4",
        "those after step 12, where the held-out loss was lowest",
        "Training loss 2.000 at the first step, 1.000 at the last",
        "from 2.100 to 1.200",
        "Made on NVIDIA H100 80GB HBM3, 1234 tokens a second, at most 15.0 GiB of GPU memory",
        "enable_thinking=True",
        "disable_adapter()",
        "torch 2.13.0",
        "Not medical advice",
    ):
        assert words in card, words


def test_what_was_not_measured_is_not_claimed() -> None:
    card = model_card(
        {**MANIFEST, "losses": dict.fromkeys(MANIFEST["losses"]), "hardware": None, "stopped_at": None}
    )
    assert "not measured on held-out rows" in card
    assert "Training loss" not in card and "Made on" not in card and "Stopped" not in card


def test_an_older_manifest_has_a_card_too() -> None:
    manifest = read_manifest(ADAPTER)
    assert manifest is not None and manifest["run_name"] in model_card(manifest)
