"""Runs on disk: refused without a trace, resumed, named, and deleted."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from medreason.domain.run import RunState
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Role, User
from medreason.errors import Busy, Invalid, MedReasonError, NotAllowed, NotFound
from medreason.finetune import ticket
from medreason.folder import DataFolder
from medreason.services.training import Training
from tests import runs
from tests.runs import ENGINEER, at_step_two, config, ended, gone


@pytest.fixture
def training(folder: DataFolder) -> Iterator[Training]:
    yield from runs.started(folder)


def test_the_same_name_is_refused_and_the_next_free_one_offered(training: Training) -> None:
    training.start(ENGINEER, config(behaviour="quick"))
    ended(training)
    before = (training.folder.runs / "one" / "state.json").read_bytes()
    with pytest.raises(MedReasonError, match="already a run named one.*one-2"):
        training.start(ENGINEER, config())
    assert (training.folder.runs / "one" / "state.json").read_bytes() == before


def test_refusals_leave_nothing_on_disk(training: Training, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"Question": "a", "Complex_CoT": "b"}\n', encoding="utf-8")
    one = tmp_path / "one.jsonl"
    one.write_text('{"Question": "a", "Complex_CoT": "b", "Response": "c"}\n', encoding="utf-8")
    before = sorted(training.folder.root.rglob("*"))
    for wrong, sentence in (
        ({"data": str(bad)}, "column Response is in no row"),
        ({"data": str(tmp_path / "absent.jsonl")}, "There is no training data"),
        ({"base_model": "no such model"}, "was not found"),
        ({"base_model": str(tmp_path)}, "no model folder"),
    ):
        with pytest.raises(MedReasonError, match=sentence):
            training.start(ENGINEER, config(**wrong))
    for wrong in ({"run_name": "../x"}, {"learning_rate": -1.0}, {"run_name": ".hidden"}, {"epochs": 0.0}):
        with pytest.raises(Invalid):
            training.start(ENGINEER, TrainingConfig(**wrong))  # type: ignore[arg-type]
    with pytest.raises(NotAllowed, match="rater"):
        training.start(User(2, "rater", Role.RATER), config())
    with pytest.raises(NotFound):
        training.status("../../etc")
    assert sorted(training.folder.root.rglob("*")) == before


def test_too_small_a_disk_is_refused_with_both_numbers(training: Training) -> None:
    before = sorted(training.folder.root.rglob("*"))
    with pytest.raises(MedReasonError, match=r"has [\d,.]+ GB free, and a run needs 1,000,000.0 GB"):
        training.start(ENGINEER, config(), needed_bytes=10**15)
    assert sorted(training.folder.root.rglob("*")) == before


def test_a_run_that_cannot_be_launched_leaves_nothing(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(MedReasonError, match="cannot be started"):
        training.start(ENGINEER, config())
    assert training.runs() == []
    assert [path.name for path in training.folder.runs.iterdir()] == [ticket.DESK_FILE]


def test_a_run_is_shown_by_its_title_and_keeps_its_name(training: Training) -> None:
    training.start(ENGINEER, config(behaviour="quick"))
    ended(training)
    assert training.rename(ENGINEER, "one", "  Heart\n cases ").shown_name == "Heart cases"
    run = runs.service(training.folder).status("one")
    assert (run.title, run.name) == ("Heart cases", "one")
    for wrong in ("x" * 81, "a\u202eb", "a\x00b", "\ud800", 5):
        with pytest.raises(Invalid, match="Title"):
            training.rename(ENGINEER, "one", wrong)  # type: ignore[arg-type]
    assert training.rename(ENGINEER, "one", "").shown_name == "one"


def test_a_run_can_be_deleted_once_it_has_ended(training: Training) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    with pytest.raises(Busy, match="has not ended"):
        training.delete(ENGINEER, "one")
    training.stop(ENGINEER, "one", save=True)
    ended(training)
    with pytest.raises(NotAllowed):
        training.delete(User(2, "rater", Role.RATER), "one")
    training.delete(ENGINEER, "one")
    assert training.runs() == [] and training.adapters() == []
    assert all(path.name.startswith(".") and path.is_file() for path in training.folder.runs.iterdir())
    assert training.start(ENGINEER, config(behaviour="quick")).name == "one"


def test_a_stopped_run_goes_on_from_its_newest_checkpoint(training: Training) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    with pytest.raises(Busy, match="has not ended"):
        training.resume(ENGINEER, "one")
    training.stop(ENGINEER, "one", save=True)
    ended(training)
    again = runs.service(training.folder)
    assert not again.resume(ENGINEER, "one").state.ended
    run = ended(again)
    assert (run.state, run.step, run.resumed_from) == (RunState.COMPLETED, 5, 2)
    assert [point.step for point in run.losses] == [1, 2, 3, 4, 5]
    with pytest.raises(MedReasonError, match="all its steps"):
        again.resume(ENGINEER, "one")


def test_a_killed_run_goes_on_and_a_run_without_a_checkpoint_says_why_it_cannot(training: Training) -> None:
    training.start(ENGINEER, config())
    os.kill(at_step_two(training).pid, signal.SIGKILL)
    ended(training)
    training.resume(ENGINEER, "one")
    at_step_two(training)
    assert training.status("one").resumed_from == 1
    training.stop(ENGINEER, "one")
    ended(training)
    training.start(ENGINEER, config("none", "no checkpoint"))
    os.kill(at_step_two(training, "none").pid, signal.SIGKILL)
    assert "before its first checkpoint" in ended(training, "none").resume_blocked
    with pytest.raises(MedReasonError, match="before its first checkpoint"):
        training.resume(ENGINEER, "none")
    shard = training.folder.runs / "one" / "checkpoints" / "step-1" / "optimizer.pt"
    shard.write_bytes(b"")
    assert "None of its checkpoints is whole" in training.status("one").resume_blocked


def test_a_resume_that_cannot_be_launched_leaves_the_run_as_it_was(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.start(ENGINEER, config())
    os.kill(at_step_two(training).pid, signal.SIGKILL)
    before = ended(training)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nonexistent/python")
        with pytest.raises(MedReasonError, match="cannot be started"):
            training.resume(ENGINEER, "one")
    after = training.status("one")
    assert (after.state, after.message, after.step) == (before.state, before.message, before.step)
    assert after.can_resume


def test_of_many_who_resume_a_run_at_once_one_does(training: Training) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    training.stop(ENGINEER, "one")
    ended(training)
    gone(training)
    gate, won, refused = threading.Barrier(4), [], []

    def resume() -> None:
        app = runs.service(training.folder)
        gate.wait()
        try:
            won.append(app.resume(ENGINEER, "one"))
        except Busy as fault:
            refused.append(str(fault))

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused)) == (1, 3)
    assert at_step_two(training) and runs.at_once(training) == []
