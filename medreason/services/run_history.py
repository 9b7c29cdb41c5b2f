"""The runs that a data folder holds: found, described, named and deleted.

What is on disk is the truth; this object remembers nothing that a fresh one on the same folder could not find out.
Starts and stops nothing. Loads no torch.
"""

import os
import shutil
import time
from pathlib import Path
from typing import Any

from medreason.domain.run import RunState, RunStatus
from medreason.domain.training import RUN_NAME, TrainingConfig
from medreason.domain.user import Action, User
from medreason.errors import Busy, MedReasonError, NotFound
from medreason.file_lock import LOOKED_AT_S, FileLock
from medreason.finetune import process, ticket
from medreason.finetune.config_file import read_config
from medreason.finetune.manifest import ADAPTER, read_manifest
from medreason.finetune.run_folder import CONFIG_FILE
from medreason.finetune.run_status import read_run
from medreason.finetune.title import write_title
from medreason.folder import DataFolder
from medreason.models.gpu_lock import COMPARE, GpuLock

BUILDING, GONE = ".new-", ".gone-"
LEAVING_S = 15.0
LOOK_EVERY_S = 0.1


class RunHistory:
    """The runs below one data folder. A run is a real folder with a name of the allowed kind and a
    configuration; links, half-made and foreign folders are none."""

    def __init__(self, folder: DataFolder):
        self.folder = folder

    def status(self, name: str) -> RunStatus:
        """A run as its files and its process tell it."""
        try:
            return read_run(self._run(name))
        except FileNotFoundError as fault:  # deleted while it was read
            raise NotFound(f"There is no run named {name}.") from fault

    def runs(self) -> list[RunStatus]:
        """Every run, newest first."""
        found = []
        for name in self._names():
            try:
                found.append(self.status(name))
            except NotFound:
                continue
        return sorted(found, key=lambda status: (status.started_at, status.name), reverse=True)

    def current(self) -> RunStatus | None:
        """The run that trains, or else the one whose turn is next, or None."""
        live = [status for status in self.runs() if not status.state.ended]
        waiting = [run.name for run, _ in ticket.in_line(self.folder.runs)]
        places = {name: place for place, name in enumerate(waiting)}
        live.sort(key=lambda status: (status.state is RunState.QUEUED, places.get(status.name, len(places))))
        return next(iter(live), None)

    def adapters(self) -> list[tuple[str, Path]]:
        """Name and adapter folder of each run that has kept one, newest first: completed runs, and runs stopped
        with “keep the adapter”."""
        return [(run.name, Path(run.adapter)) for run in self.runs() if run.adapter]

    def config(self, name: str) -> TrainingConfig:
        """The settings that a run was started with. Raises `MedReasonError` where its file cannot be read."""
        return read_config(self._run(name) / CONFIG_FILE)

    def manifest(self, name: str) -> dict[str, Any] | None:
        """The record of a run's adapter, or None where it has kept none."""
        return read_manifest(self._run(name) / ADAPTER)

    def waiting_for(self, name: str) -> str:
        """What a run waits for, in one sentence; empty for a run that has had its turn."""
        status = self.status(name)
        return status.message if status.state is RunState.QUEUED else ""

    def compare_holds_gpu(self) -> bool:
        """Whether Compare, here or in another app on this folder, has its model on the GPU. A run that waits for
        it goes on once `Serving.release` has put the model away."""
        return GpuLock(self.folder).holder() == COMPARE

    def free_name(self, wanted: str) -> str:
        """`wanted`, or the first of wanted-2, wanted-3, … that no run has."""
        taken = self._taken()
        candidates = (wanted[:58] + f"-{number}" if number > 1 else wanted for number in range(1, 100_000))
        return next(name for name in candidates if name.casefold() not in taken)

    def rename(self, user: User, name: str, title: str) -> RunStatus:
        """Give a run a title to be shown by; an empty one takes it away. Its folder keeps its name. Raises
        `Invalid` for a title that is no short line."""
        user.require(Action.TRAIN)
        try:
            write_title(self._run(name), title)
        except OSError as fault:
            raise MedReasonError(
                f"The title cannot be written ({fault.strerror}). Make room, try again."
            ) from fault
        return self.status(name)

    def delete(self, user: User, name: str) -> None:
        """Remove a run with its checkpoints and its adapter. Raises `Busy` while it waits, trains or is still
        ending."""
        user.require(Action.TRAIN)
        path = self._run(name)
        if not self.status(name).state.ended:
            raise Busy(f"Run {name} has not ended. Stop it first, then delete it.")
        self._wait_until_gone(path)
        with ticket.desk(self.folder.runs):
            lock = FileLock(self._run(name) / ticket.TICKET_FILE)
            if not lock.wait(LOOKED_AT_S):
                raise Busy(f"Run {name} has just been resumed. Stop it first, then delete it.")
            try:
                gone = self._move_aside(path)
            finally:
                lock.hand_over()
        shutil.rmtree(gone, ignore_errors=True)

    def _names(self) -> list[str]:
        try:
            return [one.name for one in self.folder.runs.iterdir() if self._is_run(one)]
        except OSError:
            return []

    def _taken(self) -> set[str]:
        """Every name below the folder of runs, as a file system sees it that knows no upper and lower case."""
        try:
            return {name.casefold() for name in os.listdir(self.folder.runs)}
        except OSError:
            return set()

    @staticmethod
    def _is_run(path: Path) -> bool:
        named = RUN_NAME.fullmatch(path.name) is not None
        return named and not path.is_symlink() and (path / CONFIG_FILE).is_file()

    def _path(self, name: str) -> Path:
        if not isinstance(name, str) or RUN_NAME.fullmatch(name) is None:
            raise NotFound("There is no run of that name.")
        return self.folder.runs / name

    def _run(self, name: str) -> Path:
        path = self._path(name)
        if not self._is_run(path):
            raise NotFound(f"There is no run named {name}.")
        return path

    def _wait_until_gone(self, path: Path) -> None:
        """A process that has said its last word may still be on its way out."""
        until = time.monotonic() + LEAVING_S
        while ticket.has_process(path) or ((child := process.read_process(path)) and process.alive(child)):
            if not self.status(path.name).state.ended:
                raise Busy(f"Run {path.name} has just been resumed. Wait for it to end, or stop it.")
            if time.monotonic() > until:
                raise Busy(f"The process of run {path.name} is still ending. Try again in a minute.")
            time.sleep(LOOK_EVERY_S)

    def _move_aside(self, path: Path) -> Path:
        """Take a run out of sight in one step; what is then removed piece by piece is no run any more."""
        number = 0
        while True:
            gone = path.with_name(f"{GONE}{path.name}-{os.getpid()}-{number}")
            try:
                os.rename(path, gone)
                return gone
            except FileNotFoundError as fault:
                raise NotFound(f"There is no run named {path.name}.") from fault
            except OSError as fault:
                if not gone.exists():
                    raise MedReasonError(f"The run cannot be removed ({fault.strerror}).") from fault
                number += 1

    def _sweep(self) -> None:
        """Remove what an app left that ended in the middle of starting or deleting; call it at the desk."""
        for one in self.folder.runs.iterdir():
            if one.name.startswith(GONE) or (one.name.startswith(BUILDING) and not ticket.has_process(one)):
                shutil.rmtree(one, ignore_errors=True)
