"""At the shapes of Qwen3-8B, in 4 bits with the paged 8-bit optimizer and packed rows: a run goes on from a
checkpoint as it would have gone on without the break."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medreason.finetune.checkpoints import place_of, read_checkpoints
from medreason.finetune.progress import read_losses
from medreason.folder import DataFolder
from tests.conftest import CHECKOUT

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

SETTINGS = {
    "quantization": "nf4",
    "optimizer": "paged_adamw_8bit",
    "packing": "true",
    "max_length": 2048,
    "target_modules": "all-linear",
    "lora_dropout": 0.05,
    "max_rows": 0,
    "min_thinking_chars": 0,
    "eval_fraction": 0.05,
    "accumulation": 2,
    "epochs": 5,
    "max_steps": 6,
    "save_every": 3,
    "learning_rate": 2e-4,
    "gradient_checkpointing": "true",
    "loader_workers": 2,
}


def script(*words: object) -> None:
    command = [sys.executable, "training_scripts/train_qlora.py", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def test_a_run_goes_on_as_it_would_have(qwen3_8b: Path, folder: DataFolder, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    settings = [f"{key}={value}" for key, value in {**SETTINGS, "base_model": qwen3_8b}.items()]
    config = ("--config", "training_scripts/configs/demo_form.yaml", "--data-dir", folder.root)
    script("--output-dir", whole, *config, "--set", *settings)
    shutil.copytree(whole, broken)
    shutil.rmtree(broken / "adapter")
    shutil.rmtree(place_of(broken, 6))
    script("--resume", "--output-dir", broken, "--data-dir", folder.root)
    manifest = json.loads((broken / "adapter" / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["resumed_from"], manifest["steps"]) == (3, 6)
    assert [one.step for one in read_checkpoints(broken) if one.whole] == [3, 6]
    first, again = read_losses(whole), read_losses(broken)
    assert [point.step for point in again] == [point.step for point in first]
    for one, other in zip(first, again, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-2)
    learned = [point for point in again if not point.held_out]
    assert all(point.gpu_memory_gib and point.tokens_per_s for point in learned)
    print(
        f"\npacked nf4, resumed at step 3: losses {[round(point.loss, 4) for point in learned]} against "
        f"{[round(point.loss, 4) for point in first if not point.held_out]}, "
        f"{manifest['tokens_per_s']} tokens/s, peak {manifest['peak_memory_gib']}"
    )
