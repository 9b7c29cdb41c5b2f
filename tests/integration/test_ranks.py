"""A run on several GPUs, as two processes on this CPU: it learns what one process learns, stops, resumes and fails
as one does, and leaves nobody behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from medreason.domain.run import RunState
from medreason.domain.training import TrainingConfig
from medreason.finetune import process
from medreason.finetune.checkpoints import place_of, read_checkpoints
from medreason.finetune.config_file import config_text
from medreason.finetune.manifest import read_manifest
from medreason.finetune.progress import LOG_FILE, read_losses, read_state
from medreason.finetune.ranks import ON_CPU
from medreason.folder import DataFolder
from medreason.services.training import Training
from tests.conftest import CHECKOUT
from tests.fitting import same, state_at
from tests.runs import ENGINEER, real_runs, within

SCRIPT = CHECKOUT / "training_scripts" / "train_qlora.py"
LAUNCHER = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
LAUNCHER += (
    "--num_machines",
    "1",
    "--mixed_precision",
    "no",
    "--dynamo_backend",
    "no",
    "--main_process_port",
    "0",
)
STEPS = 6
# Nine rows to learn from, gathered by four, so three steps a pass, the last of one; three rows held out. Neither
# can be dealt out evenly to two.
CONFIG = TrainingConfig(
    max_rows=12,
    epochs=2.0,
    accumulation=4,
    eval_fraction=0.25,
    max_length=256,
    learning_rate=0.01,
    log_every=1,
    save_every=2,
)
DROPPED = {"gpus": 2, "lora_dropout": 0.3, "packing": True, "batch_size": 2, "accumulation": 2}
ENVIRONMENT = {ON_CPU: "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def config(tiny_qwen3: Path) -> TrainingConfig:
    return replace(CONFIG, base_model=str(tiny_qwen3))


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def started(output: Path, config: TrainingConfig, *launcher: str) -> subprocess.Popen[str]:
    output.parent.mkdir(parents=True, exist_ok=True)
    settings = output.with_name(f"{output.name}.yaml")
    settings.write_text(config_text(config), encoding="utf-8")
    words = [*(launcher or [sys.executable]), str(SCRIPT), "--config", str(settings), "--output-dir", str(output)]
    return subprocess.Popen(
        [*words, "--data-dir", str(output.parent / "data")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ENVIRONMENT},
    )


def trained(output: Path, config: TrainingConfig, *launcher: str) -> Path:
    child = started(output, config, *launcher)
    _, said = child.communicate(timeout=300)
    assert child.returncode == 0, said
    return output


@pytest.fixture(scope="module")
def alone(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "alone", config)


@pytest.fixture(scope="module")
def together(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run as two processes of `accelerate launch`, which the settings do not speak of."""
    return trained(tmp_path_factory.mktemp("runs") / "together", config, *LAUNCHER)


def test_two_processes_learn_what_one_learns(alone: Path, together: Path) -> None:
    points = [read_losses(run) for run in (alone, together)]
    assert [(one.step, one.held_out) for one in points[0]] == [(one.step, one.held_out) for one in points[1]]
    assert [one.step for one in points[0] if not one.held_out] == list(range(1, STEPS + 1))
    for one, other in zip(*points, strict=True):
        assert other.loss == pytest.approx(one.loss, abs=1e-5)
        assert other.learning_rate == one.learning_rate
        if one.grad_norm is not None:
            assert other.grad_norm == pytest.approx(one.grad_norm, rel=1e-3)
    for step in (2, 4, STEPS):
        first, second = (state_at(run, step)["weights"] for run in (alone, together))
        assert set(first) == set(second)
        for name in first:
            np.testing.assert_allclose(second[name].numpy(), first[name].numpy(), atol=2e-5)


def test_two_processes_leave_one_run_behind(alone: Path, together: Path) -> None:
    told = [read_manifest(run / "adapter") for run in (alone, together)]
    assert told[0] is not None and told[1] is not None
    assert (told[0]["config"]["gpus"], told[1]["config"]["gpus"]) == (1, 2)
    assert told[1]["steps"] == STEPS and {path.name for path in together.iterdir()} == {
        path.name for path in alone.iterdir()
    }
    # One row is missing to a whole round of each pass; a blank one of one token fills up.
    assert told[1]["tokens_seen"] - told[0]["tokens_seen"] == 2
    assert read_checkpoints(together) and all(one.whole for one in read_checkpoints(together))


@pytest.fixture(scope="module")
def dropped(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed run whose two processes draw random numbers of their own."""
    return trained(tmp_path_factory.mktemp("runs") / "dropped", replace(config, **DROPPED))


@pytest.fixture
def training(folder: DataFolder, on_cpu: None) -> Iterator[Training]:
    yield from real_runs(folder)


def test_from_the_app_it_stops_with_its_adapter_and_goes_on_exactly(
    training: Training, config: TrainingConfig, dropped: Path
) -> None:
    wanted = replace(config, run_name="two", **DROPPED)
    training.start(ENGINEER, wanted)
    run = training.folder.runs / "two"
    within(120, lambda: training.status("two").step >= 1 or training.status("two").state.ended)
    again = Training(training.folder)  # the app was started anew
    again.stop(ENGINEER, "two", save=True)
    within(60, lambda: again.status("two").state.ended)
    status = again.status("two")
    assert status.state is RunState.STOPPED and status.adapter, (run / LOG_FILE).read_text(encoding="utf-8")
    assert 1 <= status.step < STEPS and status.can_resume
    child = process.read_process(run)
    assert child is not None and process.read_exit_code(run, child) == 143
    again.resume(ENGINEER, "two")
    within(120, lambda: again.status("two").state.ended)
    assert again.status("two").state is RunState.COMPLETED, (run / LOG_FILE).read_text(encoding="utf-8")
    assert same(state_at(run, STEPS), state_at(dropped, STEPS))


def at_step(output: Path, child: subprocess.Popen[str], step: int) -> list[psutil.Process]:
    """The other processes of the run, once it has made that step."""
    until = time.monotonic() + 120
    while (state := read_state(output)) is None or state.step < step:
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.02)
    return psutil.Process(child.pid).children(recursive=True)


def gone(others: list[psutil.Process]) -> bool:
    return not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in others)


def test_stopping_ends_all_at_once(config: TrainingConfig, tmp_path: Path) -> None:
    output = tmp_path / "run"
    child = started(output, replace(config, gpus=2, epochs=100.0))
    others = at_step(output, child, 1)
    assert others
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=30)
    state = read_state(output)
    assert state is not None and (child.returncode, state.state) == (143, "stopped"), said
    assert "No adapter was kept" in said and not (output / "adapter").exists()
    within(5, lambda: gone(others))


def test_one_that_is_killed_ends_the_run_in_words(config: TrainingConfig, tmp_path: Path) -> None:
    output = tmp_path / "run"
    child = started(output, replace(config, gpus=2, epochs=100.0))
    others = at_step(output, child, 3)
    others[0].kill()
    _, said = child.communicate(timeout=60)
    state = read_state(output)
    assert state is not None and (child.returncode, state.state) == (1, "failed"), said
    assert state.message.startswith("Process 2 of 2 of the run was ended from outside (signal 9)")
    assert state.message.endswith("The run can go on from step 2.")
    within(5, lambda: gone(others))


def test_none_outlives_the_first(config: TrainingConfig, tmp_path: Path) -> None:
    output = tmp_path / "run"
    child = started(output, replace(config, gpus=2, epochs=100.0))
    others = at_step(output, child, 1)
    child.kill()
    child.communicate(timeout=30)
    within(10, lambda: gone(others))


def test_more_gpus_than_there_are_are_refused(config: TrainingConfig, tmp_path: Path) -> None:
    settings = tmp_path / "two.yaml"
    settings.write_text(config_text(replace(config, gpus=2)), encoding="utf-8")
    words = [sys.executable, str(SCRIPT), "--config", str(settings), "--output-dir", str(tmp_path / "run")]
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, env=hidden)
    words = "The run asks for 2 GPUs, and this computer has none. Set “GPUs to use” to 1.\n"
    assert (ran.returncode, ran.stderr) == (2, words)
    assert not (tmp_path / "run").exists()


def test_another_number_of_gpus_does_not_resume_a_run(
    together: Path, config: TrainingConfig, tmp_path: Path, on_cpu: None
) -> None:
    run = tmp_path / "run"
    shutil.copytree(together, run)
    shutil.rmtree(run / "adapter")
    shutil.rmtree(place_of(run, STEPS))
    words = [sys.executable, str(SCRIPT), "--resume", "--output-dir", str(run), "--set", "gpus=1"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 2 and "“GPUs to use” was 2 and is 1" in ran.stderr, ran.stderr
    assert json.loads((place_of(run, 4) / "complete.json").read_text(encoding="utf-8"))["step"] == 4
