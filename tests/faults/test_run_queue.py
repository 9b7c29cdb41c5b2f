"""Runs that wait: one trains at a time, first come first served, and whoever dies in the line holds nobody up."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from medreason.domain.run import RunState
from medreason.errors import Busy
from medreason.finetune import process, ticket
from medreason.finetune.progress import Recorder
from medreason.finetune.turn import wait_for_turn
from medreason.folder import DataFolder
from medreason.models.gpu_lock import COMPARE, GpuLock
from medreason.services import training as module
from medreason.services.training import Training
from tests import runs
from tests.runs import ENGINEER, at_step_two, config, ended, gone, let_go, waits, within


@pytest.fixture
def training(folder: DataFolder) -> Iterator[Training]:
    yield from runs.started(folder)


def app_that_dies_in(folder: DataFolder, function: str) -> None:
    """Start a run from an app that is killed at the moment it calls `function`."""
    module, name = function.rsplit(".", 1)
    app = (
        f"import os, sys; from pathlib import Path; import {module} as module; from tests.runs import *; "
        f"module.{name} = lambda *a, **k: os.kill(os.getpid(), 9); "
        "service(DataFolder(Path(sys.argv[1]))).start(ENGINEER, config())"
    )
    left = subprocess.run([sys.executable, "-c", app, str(folder.root)], cwd=runs.CHECKOUT, timeout=60)
    assert left.returncode == -9


def test_runs_have_their_turn_in_the_order_they_came(training: Training) -> None:
    names = ["first", "second", "third"]
    for name in names:
        training.start(ENGINEER, config(name))
    order = []
    for number, name in enumerate(names):
        at_step_two(training, name)
        order.append(training.current().name)  # type: ignore[union-attr]
        for later in names[number + 1 :]:
            assert waits(training, later, "first" if number == 0 else name).state is RunState.QUEUED
        let_go(training, name)
        assert ended(training, name).state is RunState.COMPLETED
    assert order == names and runs.at_once(training) == []


def test_a_waiting_run_says_how_many_come_first(training: Training) -> None:
    for name in ("first", "second", "third"):
        training.start(ENGINEER, config(name))
    at_step_two(training, "first")
    waits(training, "second", "Waiting: run first comes first.")
    waits(training, "third", "Waiting: 2 runs come first (first, second).")


def test_a_waiting_run_can_be_stopped_and_cannot_be_deleted(training: Training) -> None:
    training.start(ENGINEER, config("first"))
    training.start(ENGINEER, config("second"))
    waits(training, "second", "first")
    with pytest.raises(Busy, match="Stop it first"):
        training.delete(ENGINEER, "second")
    training.stop(ENGINEER, "second", save=True)
    run = ended(training, "second")
    assert run.state is RunState.STOPPED and not run.can_resume
    training.delete(ENGINEER, "second")
    assert [one.name for one in training.runs()] == ["first"]


def test_a_run_that_dies_while_it_waits_holds_nobody_up(training: Training) -> None:
    for name in ("first", "second", "third"):
        training.start(ENGINEER, config(name))
    at_step_two(training, "first")
    waits(training, "third", "2 runs")
    child = process.read_process(training.folder.runs / "second")
    os.kill(child.pid, signal.SIGKILL)  # type: ignore[union-attr]
    run = ended(training, "second", seconds=10)
    assert run.state is RunState.FAILED and "before its turn came" in run.message
    waits(training, "third", "run first comes first")
    let_go(training, "first")
    at_step_two(training, "third")


def test_the_next_one_begins_when_the_one_before_is_killed(training: Training) -> None:
    training.start(ENGINEER, config("first"))
    training.start(ENGINEER, config("second"))
    os.kill(at_step_two(training, "first").pid, signal.SIGKILL)
    at_step_two(training, "second")
    assert training.status("first").state is RunState.FAILED and runs.at_once(training) == []


def test_a_process_that_hangs_on_after_its_last_word_can_be_ended(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.grace_s = 0.5
    training.start(ENGINEER, config("first", "lingers"))
    ended(training, "first")
    training.start(ENGINEER, config("second", "quick"))
    waits(training, "second", "run first comes first")
    assert training.stop(ENGINEER, "first").state is RunState.COMPLETED
    assert not process.asked_to_stop(training.folder.runs / "first"), "it may still be on its way out"
    monkeypatch.setattr(module, "LEAVING_S", 0.0)
    assert training.stop(ENGINEER, "first").state is RunState.COMPLETED
    assert ended(training, "second").state is RunState.COMPLETED
    assert training.status("first").state is RunState.COMPLETED


def test_a_resumed_run_goes_to_the_end_of_the_line(training: Training) -> None:
    training.start(ENGINEER, config("first"))
    at_step_two(training, "first")
    training.start(ENGINEER, config("second"))
    training.start(ENGINEER, config("third"))
    waits(training, "third", "2 runs")
    training.stop(ENGINEER, "first", save=True)
    ended(training, "first")
    training.resume(ENGINEER, "first")
    at_step_two(training, "second")
    assert "2 runs come first (second, third)" in waits(training, "first", "2 runs").message
    training.stop(ENGINEER, "second")
    at_step_two(training, "third")
    training.stop(ENGINEER, "third")
    assert ended(training, "first").state is RunState.COMPLETED
    assert runs.at_once(training) == []


def test_the_line_has_an_end(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IN_LINE", 1)
    training.start(ENGINEER, config("first"))
    with pytest.raises(Busy, match="no more fit"):
        training.start(ENGINEER, config("second"))
    assert [one.name for one in training.runs()] == ["first"]


def test_a_run_that_nobody_launched_is_lost_at_once_and_holds_nobody_up(training: Training) -> None:
    app_that_dies_in(training.folder, "medreason.finetune.process.launch")
    run = training.status("one")
    assert run.state is RunState.LOST and "never started" in run.message
    training.start(ENGINEER, config("two", "quick"))
    assert ended(training, "two").state is RunState.COMPLETED
    training.delete(ENGINEER, "one")


def test_an_app_that_dies_while_it_makes_the_folder_leaves_no_run_and_no_name_taken(training: Training) -> None:
    app_that_dies_in(training.folder, "medreason.services.training.write_config")
    assert training.runs() == [] and training.free_name("one") == "one"
    training.start(ENGINEER, config(behaviour="quick"))
    ended(training)
    assert not list(training.folder.runs.glob(".new-*"))


def test_an_app_that_dies_before_it_records_the_process_still_finds_it_again(training: Training) -> None:
    app_that_dies_in(training.folder, "medreason.finetune.process.write_json")
    assert not training.status("one").state.ended
    child = at_step_two(training)
    training.stop(ENGINEER, "one")
    assert ended(training).state is RunState.STOPPED
    within(5, lambda: not process.alive(child))


def test_a_stop_before_the_process_is_on_record_is_heard(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.start(ENGINEER, config("first"))
    at_step_two(training, "first")
    with monkeypatch.context() as patch:
        patch.setattr(process, "read_process", lambda folder: None)
        training.start(ENGINEER, config("second"))
        training.stop(ENGINEER, "second")
    assert ended(training, "second").state is RunState.STOPPED


def test_a_run_waits_while_compare_holds_the_gpu_and_says_so(training: Training) -> None:
    compare = GpuLock(training.folder)
    compare.take(COMPARE)
    training.start(ENGINEER, config("first", "gpu"))
    run = waits(training, "first", "Waiting: Compare holds the GPU.")
    assert run.state is RunState.QUEUED and training.compare_holds_gpu()
    training.start(ENGINEER, config("second"))
    waits(training, "second", "run first comes first")
    compare.give_back()
    at_step_two(training, "first")
    assert not training.compare_holds_gpu()
    with pytest.raises(Busy, match="The run first holds the GPU"):
        compare.take(COMPARE)
    training.stop(ENGINEER, "first")
    ended(training, "first")
    gone(training, "first")
    compare.take(COMPARE)
    at_step_two(training, "second")  # on the CPU: the GPU is none of its business
    compare.give_back()


def test_a_killed_run_gives_the_gpu_back(training: Training) -> None:
    training.start(ENGINEER, config(behaviour="gpu"))
    os.kill(at_step_two(training).pid, signal.SIGKILL)
    ended(training)
    lock = GpuLock(training.folder)
    within(5, lambda: lock.try_take(COMPARE))
    lock.give_back()


def test_a_second_process_on_a_run_is_refused(training: Training) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    path = training.folder.runs / "one"
    with pytest.raises(Busy, match="Another process is already at work"):
        wait_for_turn(path, training.folder, False, Recorder(path), lambda: False)


def test_a_broken_ticket_is_no_ticket(training: Training) -> None:
    for name, content in (("a", b""), ("b", b"{"), ("c", b'{"number": "9"}'), ("d", b"[" * 5000), ("e", b"\xff")):
        (training.folder.runs / name).mkdir()
        (training.folder.runs / name / ticket.TICKET_FILE).write_bytes(content)
    (training.folder.runs / "f").symlink_to(training.folder.runs / "a")
    assert ticket.tickets(training.folder.runs) == []
    training.start(ENGINEER, config(behaviour="quick"))
    assert ended(training).state is RunState.COMPLETED
