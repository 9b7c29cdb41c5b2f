"""A run whose base is split over two processes on this CPU learns what it learns with the whole base in each, goes
on where it was stopped, and keeps nothing of the base."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medreason.domain.run import RunState
from medreason.domain.training import TrainingConfig
from medreason.finetune.config_file import config_text
from medreason.finetune.manifest import read_manifest
from medreason.finetune.progress import LOG_FILE, read_losses
from medreason.finetune.recipe import ONE_GPU
from medreason.folder import DataFolder
from medreason.models.hashes import weights_sha256
from medreason.services.training import Training
from tests.fitting import same, state_at
from tests.integration.test_ranks import CONFIG as OF_RANKS
from tests.integration.test_ranks import ENVIRONMENT, LAUNCHER, SCRIPT, STEPS, trained
from tests.runs import ENGINEER, real_runs, within

# As there, with all that is done beside the steps: rows measured before the first one and between them, and the
# best checkpoint at the end.
CONFIG = replace(OF_RANKS, gpus=2, target_modules="all-linear", best_by_held_out=True, max_length=128)
SPLIT = {"split_base": True, "gradient_checkpointing": True}


@pytest.fixture(scope="module")
def config(deep_qwen3: Path) -> TrainingConfig:
    return replace(CONFIG, base_model=str(deep_qwen3))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def split(config: TrainingConfig, runs: Path) -> Path:
    return trained(runs / "split", replace(config, **SPLIT))


def assert_same_run(one: Path, other: Path) -> None:
    points = [read_losses(run) for run in (one, other)]
    assert [(point.step, point.held_out) for point in points[0]] == [
        (point.step, point.held_out) for point in points[1]
    ]
    assert len(points[0]) == STEPS + 4
    for first, second in zip(*points, strict=True):
        assert second.loss == pytest.approx(first.loss, abs=1e-5)
        if first.grad_norm is not None:
            assert second.grad_norm == pytest.approx(first.grad_norm, rel=1e-3)
    for step in (2, 4, STEPS):
        first, second = (state_at(run, step)["weights"] for run in (one, other))
        assert set(first) == set(second) and all("lora" in name for name in first)
        for name in first:
            np.testing.assert_allclose(second[name].float().numpy(), first[name].float().numpy(), atol=2e-5)
    told = [read_manifest(run / "adapter") for run in (one, other)]
    assert told[0] is not None and told[1] is not None
    assert told[0]["adapter_step"] == told[1]["adapter_step"]


def test_a_split_base_learns_what_a_whole_one_learns(config: TrainingConfig, split: Path, runs: Path) -> None:
    assert_same_run(trained(runs / "whole", config), split)


def test_processes_of_a_launcher_split_a_base_in_4_bits(config: TrainingConfig, runs: Path) -> None:
    base = Path(config.base_model)
    before = weights_sha256(base)
    in_4_bits = replace(config, quantization="nf4")
    whole = trained(runs / "whole-nf4", in_4_bits)
    split = trained(runs / "split-nf4", replace(in_4_bits, gpus=1, **SPLIT), *LAUNCHER)
    assert_same_run(whole, split)
    assert weights_sha256(base) == before
    learned = [weight for name, weight in state_at(split, STEPS)["weights"].items() if "lora_B" in name]
    assert len(learned) == 5 * 7 and all(weight.abs().max() > 0 for weight in learned)


@pytest.fixture
def training(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Training]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield from real_runs(folder)


def test_from_the_app_it_stops_with_its_adapter_and_goes_on_exactly(
    training: Training, config: TrainingConfig, split: Path
) -> None:
    training.start(ENGINEER, replace(config, run_name="two", **SPLIT))
    run = training.folder.runs / "two"
    within(120, lambda: training.status("two").step >= 1 or training.status("two").state.ended)
    training.stop(ENGINEER, "two", save=True)
    within(60, lambda: training.status("two").state.ended)
    status, log = training.status("two"), (run / LOG_FILE).read_text(encoding="utf-8")
    assert status.state is RunState.STOPPED and status.adapter and 1 <= status.step < STEPS, log
    assert "each of the 2 GPUs keeps 0.4 MiB and borrows the rest" in log and "of the 0.7 MiB" in log
    training.resume(ENGINEER, "two")
    within(120, lambda: training.status("two").state.ended)
    assert training.status("two").state is RunState.COMPLETED, (run / LOG_FILE).read_text(encoding="utf-8")
    assert same(state_at(run, STEPS), state_at(split, STEPS))


def test_one_gpu_alone_splits_nothing(config: TrainingConfig, tmp_path: Path) -> None:
    settings = tmp_path / "one.yaml"
    settings.write_text(config_text(replace(config, gpus=1, split_base=True)), encoding="utf-8")
    words = [sys.executable, str(SCRIPT), "--config", str(settings), "--output-dir", str(tmp_path / "run")]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (2, f"{ONE_GPU}\n")
    assert not (tmp_path / "run").exists()
