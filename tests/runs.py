"""What tests of training runs share: a service whose runs are those of `fake_trainer.py`, and ways to wait."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from medreason.domain.run import RunState, RunStatus
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Role, User
from medreason.finetune import process
from medreason.folder import DataFolder
from medreason.services.training import Training

CHECKOUT = Path(__file__).resolve().parent.parent
FAKE = CHECKOUT / "tests" / "fake_trainer.py"
ENGINEER = User(1, "engineer", Role.ENGINEER)
AT_WORK = (RunState.LOADING, RunState.TRAINING, RunState.EVALUATING, RunState.SAVING)


def config(name: str = "one", behaviour: str = "", **more: object) -> TrainingConfig:
    return TrainingConfig(run_name=name, revision=behaviour, **more)  # type: ignore[arg-type]


def service(folder: DataFolder, grace_s: float = 2.0) -> Training:
    return Training(folder, script=FAKE, grace_s=grace_s)


def kill_all(folder: DataFolder) -> None:
    """End every process that a run of this folder has on record."""
    for path in folder.runs.iterdir():
        child = process.read_process(path)
        if child is not None and process.alive(child):
            os.killpg(child.pid, signal.SIGKILL)


def real_runs(folder: DataFolder) -> Iterator[Training]:
    """For a fixture: the service with the real script, and none of its runs at work in the end."""
    yield Training(folder)
    for path in folder.runs.iterdir():
        if child := process.read_process(path):
            process.stop(child, path, grace_s=0.0)
            within(10, lambda child=child: not process.alive(child))


def started(folder: DataFolder) -> Iterator[Training]:
    """For a fixture: the service, and nothing left of its runs in the end."""
    folder.prepare()
    try:
        yield service(folder)
    finally:
        kill_all(folder)


def within(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"did not happen within {seconds} s"
        time.sleep(0.02)


def at_step_two(training: Training, name: str = "one") -> process.Process:
    within(15, lambda: training.status(name).step == 2 and training.status(name).state is RunState.TRAINING)
    child = process.read_process(training.folder.runs / name)
    assert child is not None
    return child


def ended(training: Training, name: str = "one", seconds: float = 15) -> RunStatus:
    within(seconds, lambda: training.status(name).state.ended)
    return training.status(name)


def gone(training: Training, name: str = "one", seconds: float = 10) -> None:
    """Until the process of an ended run is gone too."""
    child = process.read_process(training.folder.runs / name)
    within(seconds, lambda: child is None or not process.alive(child))


def waits(training: Training, name: str, words: str, seconds: float = 15) -> RunStatus:
    """Until a run waits and says so in these words."""
    within(seconds, lambda: words in training.waiting_for(name))
    return training.status(name)


def let_go(training: Training, name: str) -> None:
    """Let a run that stays at its second step go on to its end."""
    (training.folder.runs / name / "go").touch()


def at_once(training: Training) -> list[str]:
    """Runs that were in their turn together, as the runs themselves found out."""
    return [one.name for one in training.folder.runs.glob("violation-*")]
