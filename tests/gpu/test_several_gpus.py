"""On two real GPUs: a run learns what it learns on one, on the fast path, goes on after a break, and ends with its
adapter."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medreason.finetune.checkpoints import place_of, read_checkpoints
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
    words = ["--config", "training_scripts/configs/demo_form.yaml"]
    return script(run, *words, "--set", *SETTINGS, f"base_model={base}", *settings)


def script(run: Path, *words: str) -> Path:
    usual = [sys.executable, "training_scripts/train_qlora.py", "--output-dir", str(run)]
    usual += ["--data-dir", str(run.parent / "data")]
    ran = subprocess.run([*usual, *words], cwd=CHECKOUT, capture_output=True, text=True, timeout=540)
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


@pytest.mark.parametrize("split_base", ["false", "true"])
def test_a_run_on_two_gpus_goes_on_as_it_would_have(qwen3_tokenizer: str, tmp_path: Path, split_base: str) -> None:
    base = make_tiny_qwen3(tmp_path / "deep-qwen3", Path(qwen3_tokenizer), layers=5)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    # Small steps: this tiny base takes rounding, other from start to start, far apart in large ones.
    few = ("save_every=2", "learning_rate=0.0002")
    trained(whole, base, "quantization=nf4", "gpus=2", f"split_base={split_base}", *few)
    first, *_, last = read_checkpoints(whole)
    shutil.copytree(whole, broken)
    shutil.rmtree(broken / "adapter")
    for one in read_checkpoints(whole):
        if one.step > first.step:
            shutil.rmtree(place_of(broken, one.step))
    script(broken, "--resume")
    manifest = read_manifest(broken / "adapter")
    assert manifest is not None and (manifest["resumed_from"], manifest["steps"]) == (first.step, last.step)
    points = [read_losses(run) for run in (whole, broken)]
    assert [(one.step, one.held_out) for one in points[1]] == [(one.step, one.held_out) for one in points[0]]
    for one, other in zip(*points, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-2)
