"""On two real GPUs: a run learns what it learns on one, on the fast path, and stops with its adapter."""

import subprocess
import sys
from pathlib import Path

import pytest

from medreason.finetune.manifest import read_manifest
from medreason.finetune.progress import read_losses
from medreason.models.gpu_lock import gpu_count
from tests.conftest import CHECKOUT
from tests.tiny import make_tiny_qwen3

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("default"),
    pytest.mark.skipif(gpu_count() < 2, reason="needs two NVIDIA GPUs"),
]

SETTINGS = [
    "max_rows=40",
    "eval_fraction=0.2",
    "epochs=2",
    "accumulation=4",
    "save_every=4",
    "learning_rate=0.002",
]
SETTINGS += ["log_every=1", "packing=true", "max_length=512", "target_modules=all-linear", "lora_dropout=0"]


def trained(run: Path, base: Path, *settings: str) -> Path:
    words = [sys.executable, "training_scripts/train_qlora.py", "--output-dir", str(run)]
    words += ["--config", "training_scripts/configs/demo_form.yaml", "--data-dir", str(run.parent / "data")]
    words += ["--set", *SETTINGS, f"base_model={base}", *settings]
    ran = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, timeout=540)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return run


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_two_gpus_learn_what_one_learns(tiny_qwen3: Path, tmp_path: Path, quantization: str) -> None:
    runs = [
        trained(tmp_path / f"on-{gpus}", tiny_qwen3, f"quantization={quantization}", f"gpus={gpus}")
        for gpus in (1, 2)
    ]
    points = [read_losses(run) for run in runs]
    assert [(one.step, one.held_out) for one in points[0]] == [(one.step, one.held_out) for one in points[1]]
    for one, other in zip(*points, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=2e-2)
        assert other.learning_rate == one.learning_rate
    manifest = read_manifest(runs[1] / "adapter")
    assert manifest is not None and manifest["config"]["gpus"] == 2 and manifest["peak_memory_gib"]["gpu"]


@pytest.mark.parametrize("checkpointing", ["gradient_checkpointing=false", "gradient_checkpointing=true"])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_a_base_that_two_gpus_share_learns_what_a_whole_one_learns(
    qwen3_tokenizer: str, tmp_path: Path, quantization: str, checkpointing: str
) -> None:
    base = make_tiny_qwen3(tmp_path / "deep-qwen3", Path(qwen3_tokenizer), layers=5)
    settings = (f"quantization={quantization}", "gpus=2", checkpointing)
    whole, split = (
        trained(tmp_path / name, base, *settings, f"split_base={name == 'split'}") for name in ("whole", "split")
    )
    points = [read_losses(run) for run in (whole, split)]
    assert [(one.step, one.held_out) for one in points[0]] == [(one.step, one.held_out) for one in points[1]]
    for one, other in zip(*points, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=2e-2)
    manifest = read_manifest(split / "adapter")
    assert manifest is not None and manifest["config"]["split_base"] and manifest["peak_memory_gib"]["gpu"]
