"""Runs as processes: started once, stopped once, found again, and never mistaken for a stranger."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from medreason.domain.run import RunState
from medreason.finetune import process
from medreason.folder import DataFolder
from medreason.services.training import Training
from tests import runs
from tests.runs import CHECKOUT, ENGINEER, FAKE, at_step_two, config, ended, gone, within


@pytest.fixture
def training(folder: DataFolder) -> Iterator[Training]:
    yield from runs.started(folder)


def test_a_run_goes_from_start_to_an_adapter(training: Training) -> None:
    started = training.start(ENGINEER, config(behaviour="quick"))
    assert not started.state.ended or started.state is RunState.COMPLETED
    run = ended(training)
    assert (run.state, run.step, run.total_steps) == (RunState.COMPLETED, 5, 5)
    assert [point.step for point in run.losses] == [1, 2, 3, 4, 5]
    assert "a log line" in run.log_tail
    assert training.adapters() == [("one", training.folder.runs / "one" / "adapter")]
    assert training.current() is None


def test_a_new_app_on_the_folder_finds_the_run_and_can_stop_it(training: Training) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    again = Training(training.folder, script=FAKE)
    found = again.current()
    assert found is not None
    assert (found.name, found.state, found.step) == ("one", RunState.TRAINING, 2)
    assert found.losses == training.status("one").losses
    again.stop(ENGINEER, "one")
    assert ended(again).state is RunState.STOPPED
    within(5, lambda: not process.alive(child))


def test_the_run_outlives_the_app_that_started_it(training: Training) -> None:
    app = (
        "import os, sys; from pathlib import Path; from tests.runs import *; "
        "service(DataFolder(Path(sys.argv[1]))).start(ENGINEER, config()); os.kill(os.getpid(), 9)"
    )
    left = subprocess.run([sys.executable, "-c", app, str(training.folder.root)], cwd=CHECKOUT, timeout=60)
    assert left.returncode == -9
    at_step_two(training)
    training.stop(ENGINEER, "one")
    assert ended(training).state is RunState.STOPPED


def test_a_process_is_known_from_its_first_moment(tmp_path: Path) -> None:
    for number in range(60):
        argv = [sys.executable, "-S", "-c", "import time; time.sleep(60)", "token"]
        child, _ = process.launch(argv, tmp_path, tmp_path / "log", "token", "")
        assert process.alive(child), number
        os.killpg(child.pid, signal.SIGKILL)


def test_stop_pressed_ten_times_is_one_stop(training: Training) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    for _ in range(10):
        training.stop(ENGINEER, "one")
    run = ended(training)
    assert (run.state, run.message) == (RunState.STOPPED, "Stopped at step 2 of 5. No adapter was kept.")
    signals = (training.folder.runs / "one" / "signals.txt").read_text(encoding="utf-8")
    assert signals.split() == [str(int(signal.SIGTERM))]
    assert training.adapters() == []


def test_stop_and_save_keeps_the_adapter_as_it_stands(training: Training) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    assert "the adapter is kept" in training.stop(ENGINEER, "one", save=True).message
    run = ended(training)
    assert (run.state, run.step) == (RunState.STOPPED, 2)
    assert training.adapters() == [("one", training.folder.runs / "one" / "adapter")]
    assert [one.step for one in run.checkpoints if one.whole] == [1, 2] and run.can_resume


def test_who_asked_to_save_may_still_end_at_once(training: Training) -> None:
    training.start(ENGINEER, config(behaviour="stubborn"))
    child = at_step_two(training)
    training.stop(ENGINEER, "one", save=True)
    time.sleep(0.2)
    assert training.stop(ENGINEER, "one").message == "Stopping."
    assert not process.read_stop(training.folder.runs / "one").save  # type: ignore[union-attr]
    within(5, lambda: not process.alive(child))
    assert ended(training).state is RunState.STOPPED


def test_stop_ends_what_the_run_has_started_too(training: Training) -> None:
    training.grace_s = 0.5
    training.start(ENGINEER, config(behaviour="workers"))
    at_step_two(training)
    worker = psutil.Process(int((training.folder.runs / "one" / "worker.txt").read_text(encoding="utf-8")))
    assert worker.is_running()
    training.stop(ENGINEER, "one")
    ended(training)
    within(5, lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_a_stopped_run_leaves_no_zombie(training: Training) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    training.stop(ENGINEER, "one")
    ended(training)
    within(5, lambda: not psutil.pid_exists(child.pid))


def test_a_stop_while_the_disk_is_full_still_ends_the_run(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    training.start(ENGINEER, config())
    at_step_two(training)
    monkeypatch.setattr(process, "ask_to_stop", full)
    for _ in range(3):
        training.stop(ENGINEER, "one")
    assert ended(training).state is RunState.STOPPED
    signals = (training.folder.runs / "one" / "signals.txt").read_text(encoding="utf-8")
    assert len(signals.split()) == 1


def test_setting_the_clock_neither_hurries_nor_delays_the_end_by_force(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.start(ENGINEER, config(behaviour="stubborn"))
    child = at_step_two(training)
    training.stop(ENGINEER, "one")
    now = time.time()
    for shift in (86_400, -86_400):
        monkeypatch.setattr(time, "time", lambda shift=shift: now + shift)
        assert "Stopping" in training.stop(ENGINEER, "one").message
        assert process.alive(child)
    monkeypatch.undo()
    within(5, lambda: not process.alive(child))


def test_a_run_that_does_not_end_by_itself_is_ended_by_force(training: Training) -> None:
    training.grace_s = 0.5
    training.start(ENGINEER, config(behaviour="stubborn"))
    child = at_step_two(training)
    assert "Stopping" in training.stop(ENGINEER, "one").message
    run = ended(training)
    assert run.state is RunState.STOPPED and "by force" in run.message
    within(5, lambda: not process.alive(child))


def test_stop_after_the_end_leaves_the_true_end(training: Training) -> None:
    training.start(ENGINEER, config(behaviour="quick"))
    ended(training)
    assert training.stop(ENGINEER, "one").state is RunState.COMPLETED


def test_a_killed_run_is_failed_in_words_within_ten_seconds(training: Training) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    os.kill(child.pid, signal.SIGKILL)
    run = ended(training, seconds=10)
    assert run.state is RunState.FAILED
    assert "killed from outside" in run.message and "memory" in run.message
    assert "step 2 of 5" in run.message and "a log line" in run.log_tail
    again = Training(training.folder, script=FAKE)
    within(5, lambda: again.status("one").message == run.message)
    assert "Resume it from step 1" in run.message and run.can_resume
    again.start(ENGINEER, config("two", "quick"))
    assert ended(again, "two").state is RunState.COMPLETED


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("error", "ended with a fault (exit code 3)"),
        ("early error", "ended with a fault (exit code 1)"),
        ("silent", "ended without a result"),
        ("refused", "The hub knows no data set nobody/nothing."),
        ("cuda", "The GPU ran out of memory."),
    ],
)
def test_each_way_of_ending_without_a_word_has_its_own_sentence(
    training: Training, behaviour: str, sentence: str
) -> None:
    training.start(ENGINEER, config(behaviour=behaviour))
    run = ended(training)
    assert run.state is RunState.FAILED and sentence in run.message


def test_a_dead_run_that_nobody_saw_end_is_lost(training: Training) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    os.kill(child.pid, signal.SIGKILL)
    ended(training)
    (training.folder.runs / "one" / process.EXIT_FILE).unlink()
    run = Training(training.folder, script=FAKE).status("one")
    assert run.state is RunState.LOST and "no word" in run.message


@pytest.mark.parametrize("alike", ["neither", "start_mark", "token"])
def test_a_stranger_with_the_same_number_is_neither_adopted_nor_signalled(training: Training, alike: str) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    os.kill(child.pid, signal.SIGKILL)
    ended(training)
    gone(training)
    token = child.token if alike == "token" else "another"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", token]) as stranger:
        try:
            mark = process.start_mark(stranger.pid) if alike == "start_mark" else child.start_mark
            record = {**vars(child), "pid": stranger.pid, "start_mark": mark}
            path = training.folder.runs / "one"
            (path / process.PROCESS_FILE).write_text(json.dumps(record), encoding="utf-8")
            (path / process.EXIT_FILE).unlink()
            assert training.stop(ENGINEER, "one").state is RunState.LOST
            time.sleep(0.3)
            assert stranger.poll() is None
            training.delete(ENGINEER, "one")
            assert stranger.poll() is None
        finally:
            stranger.kill()
