"""Waiting for one's turn: one run trains at a time, first come first served, and the GPU belongs to one.

The process that trains takes the locks itself and holds them to its end, so they are free again however it ends,
and whatever becomes of the app that started it. Loads no torch.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from medreason.domain.run import RunState
from medreason.errors import Busy, MedReasonError
from medreason.file_lock import FileLock
from medreason.finetune import process
from medreason.finetune.progress import Recorder
from medreason.finetune.ticket import Ticket, desk, has_process, in_line, issue, read_ticket
from medreason.folder import DataFolder
from medreason.models.gpu_lock import COMPARE, GpuLock

LOCK_FILE = ".training.lock"
LOOK_EVERY_S = 0.3


class Turn:
    """The locks of the run whose turn has come. They stay with the process to its end; nothing needs to be done
    for that. `reached` is False where the run was asked to stop first: then nothing is held."""

    def __init__(self, training: FileLock, gpu: GpuLock, reached: bool):
        self._training, self._gpu = training, gpu
        self.reached = reached

    def end(self) -> None:
        """Let the next one have its turn before this process ends."""
        self._gpu.give_back()
        self._training.give_back()

    def __enter__(self) -> "Turn":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, where: TracebackType | None
    ) -> None:
        self.end()


def wait_for_turn(
    run: Path, data: DataFolder, needs_gpu: bool, recorder: Recorder, stop_asked: Callable[[], bool]
) -> Turn:
    """Wait until every run that came first has ended, and, where the run `needs_gpu`, until nobody else has
    weights on the GPU. Call it in the process that trains, before it loads torch; `run` is the run's folder below
    `data.runs`. The run is QUEUED meanwhile, with a sentence on what it waits for, and no time counts as its own.

    Gives a `Turn`, not reached where `stop_asked` turned true or the run was stopped before. Raises
    `MedReasonError` where the folder is gone or another process is at work in it.
    """
    folder = _folder(run)
    ticket = _own_ticket(run, data)
    ahead = [one for one in in_line(data.runs) if one[1].number < ticket.number and one[0].name != run.name]
    training, gpu = FileLock(data.runs / LOCK_FILE), GpuLock(data)
    notice = _Notice(recorder)
    while not (stop_asked() or process.asked_to_stop(run)):
        if not os.path.samestat(_folder(run), folder):
            raise MedReasonError(f"Another folder took the place of run {run.name} while it waited for its turn.")
        # Whoever comes later has a higher number, so the line before this run only gets shorter.
        ahead = [(other, theirs) for other, theirs in ahead if has_process(other) and read_ticket(other) == theirs]
        if ahead:
            notice.say(_words_ahead([other.name for other, _ in ahead]))
        elif not (training.held or training.try_take()):
            notice.say(f"Waiting: run {training.read() or 'of another app'} is training.")
        else:
            training.note(run.name)
            if not needs_gpu or gpu.try_take(run.name):
                notice.stop_the_clock()
                return Turn(training, gpu, reached=True)
            notice.say(_words_gpu(gpu.holder()))
        time.sleep(random.uniform(0.5, 1.0) * LOOK_EVERY_S)
    gpu.give_back()
    training.give_back()
    return Turn(training, gpu, reached=False)


class _Notice:
    """What the run waits for, written when it changes. A full disk does not end a wait."""

    def __init__(self, recorder: Recorder):
        self.recorder = recorder
        self.said = ""
        self.looked_at = time.monotonic()

    def stop_the_clock(self) -> None:
        """Time spent waiting is none of the run's own."""
        now = time.monotonic()
        self.recorder.began += now - self.looked_at
        self.looked_at = now

    def say(self, words: str) -> None:
        self.stop_the_clock()
        if words != self.said:
            try:
                self.recorder.state(RunState.QUEUED, words)
                self.said = words
            except OSError:
                pass  # tried again at the next look


def _own_ticket(run: Path, data: DataFolder) -> Ticket:
    """The ticket that the app has issued, or a new one for a run that was started by hand. A run that the app
    started also leaves its process on record, in case the app died before it could."""
    ticket = read_ticket(run)
    if ticket is not None and has_process(run):
        if not ticket.token or ticket.token not in sys.orig_argv:
            raise Busy(f"Another process is already at work on run {run.name}. Wait for it to end, or stop it.")
        process.record_own(run, ticket.token, ticket.started_at)
        return ticket
    process.forget(run)
    with desk(data.runs):
        issue(data.runs, run)  # its lock stays with this process to its end
    return read_ticket(run) or Ticket(0)


def _folder(run: Path) -> os.stat_result:
    try:
        return os.stat(run)
    except OSError as fault:
        raise MedReasonError(f"The folder of run {run.name} is gone, so it cannot have its turn.") from fault


def _words_ahead(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"Waiting: run {names[0]} comes first."
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"Waiting: {len(names)} runs come first ({shown})."


def _words_gpu(holder: str) -> str:
    if holder == COMPARE:
        return "Waiting: Compare holds the GPU. Put its model away, or wait."
    return f"Waiting: {f'run {holder}' if holder else 'something else'} holds the GPU."
