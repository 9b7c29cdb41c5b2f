"""Starts, resumes and stops training runs.

A run is a child process (`training_scripts/train_qlora.py`) that waits for its turn by itself, outlives this one,
and tells how it goes by files. Loads no torch.
"""

import logging
import os
import secrets
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from medreason.domain.cluster import RayCluster
from medreason.domain.run import RunState, RunStatus
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Action, Role, User
from medreason.errors import Busy, MedReasonError
from medreason.file_lock import FileLock
from medreason.finetune import process, progress, ticket
from medreason.finetune.config_file import read_config, write_config
from medreason.finetune.place import Place, read_place, write_place
from medreason.finetune.run_folder import CONFIG_FILE
from medreason.finetune.turn import LOCK_FILE as LOCK_FILE
from medreason.folder import DataFolder
from medreason.services.clusters import Clusters
from medreason.services.run_history import BUILDING, LEAVING_S, RunHistory
from medreason.services.sending import put_parcel, require_sendable
from medreason.services.training_check import DISK_NEEDED_BYTES, require_disk, require_startable

log = logging.getLogger(__name__)

APP = User(0, "app", Role.ADMIN)
SCRIPT = Path(__file__).resolve().parents[2] / "training_scripts" / "train_qlora.py"
FOLLOWER = SCRIPT.with_name("follow_job.py")
MOST_IN_LINE = 20
# A cluster has to get to it, and the adapter to come over the network.
ELSEWHERE_TAKES = 10.0


class Training(RunHistory):
    """The runs below one data folder; at most one of them trains, the others wait in the order they came."""

    def __init__(
        self,
        folder: DataFolder,
        script: Path = SCRIPT,
        grace_s: float = process.GRACE_S,
        follower: Path = FOLLOWER,
    ):
        super().__init__(folder)
        self.script, self.follower = script, follower
        self.clusters = Clusters(folder)
        self.grace_s = grace_s

    def start(
        self,
        user: User,
        config: TrainingConfig,
        needed_bytes: int = DISK_NEEDED_BYTES,
        cluster: RayCluster | None = None,
    ) -> RunStatus:
        """Start a run and return at once; where another run of this computer is live it waits for its turn. With
        `cluster` it runs there, and waits for nobody here. `needed_bytes` is what it will write. A refusal leaves
        nothing on disk."""
        user.require(Action.TRAIN)
        if cluster is not None:
            config = replace(config, gpus=max(1, cluster.gpus))
        self._require_free_name(config.run_name)
        require_startable(config, self.folder) if cluster is None else require_sendable(config, self.folder)
        self.folder.prepare()
        require_disk(self.folder, needed_bytes)
        token, now = _token_and_time()
        path = self._path(config.run_name)
        with ticket.desk(self.folder.runs):
            self._sweep()
            self._require_free_name(config.run_name)
            if cluster is None:
                self._require_place_in_line()
            lock = self._make(path, config, token, now, cluster)
        try:
            self._launch(path, token, now, lock)
        except BaseException:
            shutil.rmtree(self._move_aside(path), ignore_errors=True)
            raise
        finally:
            lock.hand_over()
        return self.status(config.run_name)

    def resume(self, user: User, name: str, needed_bytes: int = DISK_NEEDED_BYTES) -> RunStatus:
        """Let an ended run go on from its newest whole checkpoint, in its own folder; where another run is live
        it waits for its turn. Raises `Busy` while the run is live, `MedReasonError` where it cannot go on."""
        user.require(Action.TRAIN)
        path = self._run(name)
        status = self.status(name)
        if not status.state.ended:
            raise Busy(f"Run {name} has not ended, so there is nothing to resume.")
        if not status.can_resume:
            raise MedReasonError(f"Run {name} cannot be resumed. {status.resume_blocked}")
        elsewhere = bool(status.elsewhere)
        if not elsewhere:
            require_startable(self.config(name), self.folder)
        require_disk(self.folder, needed_bytes)
        self._wait_until_gone(path)
        token, now = _token_and_time()
        with ticket.desk(self.folder.runs):
            if not elsewhere:
                self._require_place_in_line()
            lock = ticket.issue(self.folder.runs, self._run(name), token, now, elsewhere)
        try:
            self._launch_again(path, status, token, now, lock)
        finally:
            lock.hand_over()
        return self.status(name)

    def find_again(self) -> list[str]:
        """Follow every run of a cluster that was not known to have ended when its follower here did, as after a
        restart of this computer; gives their names. For the start of the app: asks nobody's role."""
        found = []
        for run in self.runs():
            if run.state is RunState.LOST and run.followable and not _said_its_last(self._run(run.name)):
                try:
                    self.resume(APP, run.name, needed_bytes=0)
                    found.append(run.name)
                except MedReasonError as fault:
                    log.warning("The job of run %s is not looked for: %s", run.name, fault)
        return found

    def stop(self, user: User, name: str, save: bool = False) -> RunStatus:
        """Ask a run to end: at once, or with `save` after its step, keeping a checkpoint and its adapter as it
        stands. Asking again changes nothing, but for taking back `save`. A run that has ended stays as it is; a
        process that hangs on long after its last word is ended, since it holds up the line."""
        user.require(Action.TRAIN)
        status, path = self.status(name), self._run(name)
        save = save and status.state is not RunState.QUEUED
        if status.state.ended and not _long_ended(path):
            return status
        if (child := process.read_process(path)) is not None:
            process.stop(child, path, self.grace_s * (ELSEWHERE_TAKES if status.elsewhere else 1), save)
        elif not status.state.ended:  # it is being started this moment, and looks for the request before it begins
            with suppress(OSError):
                process.ask_to_stop(path, save)
        return self.status(name)

    def _require_free_name(self, name: str) -> None:
        if name.casefold() in self._taken():
            raise MedReasonError(
                f"There is already a run named {name}. Choose another run name, "
                f"for example {self.free_name(name)}."
            )

    def _require_place_in_line(self) -> None:
        if len(waiting := ticket.in_line(self.folder.runs)) >= MOST_IN_LINE:
            raise Busy(f"{len(waiting)} runs are training or waiting, and no more fit. Stop one, or wait.")

    def _make(
        self, path: Path, config: TrainingConfig, token: str, now: str, cluster: RayCluster | None
    ) -> FileLock:
        """The run's folder with configuration and ticket: built aside, so that it is there whole or not at all."""
        building = path.with_name(BUILDING + token)
        lock = None
        try:
            building.mkdir()
            lock = ticket.issue(self.folder.runs, building, token, now, elsewhere=cluster is not None)
            if cluster is not None:
                put_parcel(config, self.folder, building)
                there = f"{cluster.working_dir}/runs/{config.run_name}-{token[:8]}"
                write_place(building, Place(cluster, there))
            write_config(config, building / CONFIG_FILE)
            if read_config(building / CONFIG_FILE) != config:
                raise MedReasonError("The settings cannot be written down as they are. Remove unusual characters.")
            os.rename(building, path)
        except BaseException as fault:
            if lock is not None:
                lock.hand_over()
            shutil.rmtree(building, ignore_errors=True)
            if isinstance(fault, OSError):
                raise MedReasonError(
                    f"The run cannot be written to {self.folder.runs} ({fault.strerror})."
                ) from fault
            raise
        return lock

    def _launch(self, path: Path, token: str, now: str, lock: FileLock, *more: str) -> None:
        if read_place(path) is not None:
            argv = [sys.executable, str(self.follower), "--output-dir", str(path), "--run-token", token]
        else:
            argv = [sys.executable, str(self.script), "--config", str(path / CONFIG_FILE)]
            argv += ["--output-dir", str(path), "--data-dir", str(self.folder.root), "--run-token", token]
            argv += ["--queue", *more]
        try:
            process.launch(argv, path, path / progress.LOG_FILE, token, now, keep_fds=(lock.file,))
        except OSError as fault:
            raise MedReasonError(f"The training process cannot be started ({fault.strerror}).") from fault

    def _launch_again(self, path: Path, before: RunStatus, token: str, now: str, lock: FileLock) -> None:
        """Launch in a folder that has had a run; where that fails, the run stays ended as it was."""
        try:
            process.forget(path)
            _write_state(path, before, RunState.QUEUED, "Starting.")
            self._launch(path, token, now, lock, "--resume")
        except (OSError, MedReasonError) as fault:
            with suppress(OSError):
                _write_state(path, before, before.state, before.message)
            if isinstance(fault, OSError):
                raise MedReasonError(f"The run cannot be resumed ({fault.strerror}).") from fault
            raise


def _long_ended(path: Path) -> bool:
    """Whether a run has said its last word some time ago, so that its process should be gone by now."""
    state = progress.read_state(path)
    return state is not None and state.state.ended and time.time() - state.written_at > LEAVING_S


def _said_its_last(path: Path) -> bool:
    """Whether the run's own last word is on disk, be it that nobody answered."""
    state = progress.read_state(path)
    return state is not None and state.state.ended


def _write_state(path: Path, run: RunStatus, state: RunState, message: str) -> None:
    """Speak for a run that has no process."""
    progress.write_state(path, progress.State(state, run.step, run.total_steps, message, run.elapsed_s))


def _token_and_time() -> tuple[str, str]:
    """A run's random token, and when its process was started: UTC, ISO 8601."""
    return secrets.token_hex(16), datetime.now(UTC).isoformat(timespec="milliseconds")
