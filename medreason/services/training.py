"""Starts, stops and describes training runs. What is on disk is the truth; this object remembers nothing that a
fresh one on the same data folder could not find out.

The run itself is a child process (`training_scripts/train_qlora.py`) that outlives this one. Loads no torch.
"""

import fcntl
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from medreason.domain.training import RUN_NAME, RunStatus, TrainingConfig
from medreason.domain.user import Action, User
from medreason.errors import Busy, MedReasonError, NotFound
from medreason.finetune import process, progress
from medreason.finetune.config_file import write_config
from medreason.finetune.manifest import ADAPTER, read_manifest
from medreason.finetune.run_status import read_run
from medreason.folder import DataFolder
from medreason.models.base import resolve_base
from medreason.services.training_plan import Plan, plan_run

SCRIPT = Path(__file__).resolve().parents[2] / "training_scripts" / "train_qlora.py"
CONFIG_FILE = "config.yaml"
LOCK_FILE = ".training.lock"
DISK_NEEDED_BYTES = 600 * 1024**2
LEAVING_S = 15.0


class Training:
    """The runs below one data folder; at most one of them trains."""

    def __init__(self, folder: DataFolder, script: Path = SCRIPT, grace_s: float = process.GRACE_S):
        self.folder = folder
        self.script = script
        self.grace_s = grace_s

    def plan(self, config: TrainingConfig) -> Plan:
        """What `config` would do with its data; raises `MedReasonError` where the data cannot be used."""
        earlier = (read_manifest(self._path(run.name) / ADAPTER) or {} for run in self.runs())
        return plan_run(config, earlier)

    def start(self, user: User, config: TrainingConfig) -> RunStatus:
        """Start a run and return at once. A refusal leaves nothing on disk."""
        user.require(Action.TRAIN)
        path = self._path(config.run_name)
        if os.path.lexists(path):
            raise MedReasonError(
                f"There is already a run named {config.run_name}. Choose another run name, "
                f"for example {self.free_name(config.run_name)}."
            )
        resolve_base(config.base_model, config.revision, self.folder, config.quantization)
        plan = self.plan(config)
        if plan.rows - plan.held_out < 1:
            raise MedReasonError("There is no row left to train on. Use more rows, or hold out fewer.")
        self.folder.prepare()
        free = shutil.disk_usage(self.folder.root).free
        if free < DISK_NEEDED_BYTES:
            raise MedReasonError(
                f"The disk of the data folder has {free // 1024**2:,} MB free, and a run needs "
                f"{DISK_NEEDED_BYTES // 1024**2:,} MB. Make room there, then start again."
            )
        with self._only_run(config.run_name) as lock:
            try:
                path.mkdir()
            except FileExistsError as fault:
                raise MedReasonError(
                    f"There is already a run named {config.run_name}. Choose another run name."
                ) from fault
            except OSError as fault:
                raise MedReasonError(
                    f"The run cannot be written to {self.folder.runs} ({fault.strerror})."
                ) from fault
            try:
                write_config(config, path / CONFIG_FILE)
                self._launch(path, lock)
            except BaseException:
                shutil.rmtree(path, ignore_errors=True)
                raise
        return self.status(config.run_name)

    def stop(self, user: User, name: str) -> RunStatus:
        """Ask a run to end at its next step; asking again changes nothing. A run that has ended stays as it is."""
        user.require(Action.TRAIN)
        status = self.status(name)
        if not status.state.ended and (child := process.read_process(self._path(name))):
            process.stop(child, self._path(name), self.grace_s)
        return self.status(name)

    def status(self, name: str) -> RunStatus:
        """A run as its files and its process tell it."""
        path = self._path(name)
        if not path.is_dir():
            raise NotFound(f"There is no run named {name}.")
        return read_run(path)

    def runs(self) -> list[RunStatus]:
        """Every run, newest first."""
        found = [self.status(name) for name in self._names()]
        return sorted(found, key=lambda status: (status.started_at, status.name), reverse=True)

    def current(self) -> RunStatus | None:
        """The run that has not ended, or None."""
        for name in self._names():
            state = progress.read_state(self._path(name))
            if state is None or not state.state.ended:
                status = self.status(name)
                if not status.state.ended:
                    return status
        return None

    def adapters(self) -> list[tuple[str, Path]]:
        """Label and folder of the adapter of each completed run, newest first."""
        return [(run.name, Path(run.adapter)) for run in self.runs() if run.adapter]

    def free_name(self, wanted: str) -> str:
        """`wanted`, or the first of wanted-2, wanted-3, … that no run has."""
        taken = {name.casefold() for name in self._names()}
        candidates = (wanted[:58] + f"-{number}" if number > 1 else wanted for number in range(1, 100_000))
        return next(name for name in candidates if name.casefold() not in taken)

    def _names(self) -> list[str]:
        try:
            return [one.name for one in self.folder.runs.iterdir() if self._is_run(one)]
        except OSError:
            return []

    @staticmethod
    def _is_run(path: Path) -> bool:
        return RUN_NAME.fullmatch(path.name) is not None and (path / CONFIG_FILE).is_file()

    def _path(self, name: str) -> Path:
        if not isinstance(name, str) or RUN_NAME.fullmatch(name) is None:
            raise NotFound("There is no run of that name.")
        return self.folder.runs / name

    def _has_ended(self, name: str) -> bool:
        """Whether a run has said its last word; its process may still be on its way out."""
        try:
            return self.status(name).state.ended
        except NotFound:
            return False

    def _launch(self, path: Path, lock: int) -> None:
        token = secrets.token_hex(16)
        argv = [sys.executable, str(self.script), "--config", str(path / CONFIG_FILE)]
        argv += ["--output-dir", str(path), "--data-dir", str(self.folder.root), "--run-token", token]
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            process.launch(argv, path, path / progress.LOG_FILE, token, now, keep_fds=(lock,))
        except OSError as fault:
            raise MedReasonError(f"The training process cannot be started ({fault.strerror}).") from fault

    @contextmanager
    def _only_run(self, name: str) -> Iterator[int]:
        """Hold the lock of the one run. The child inherits it, so it is held until the child is gone, however it
        ends and whatever happens to this process."""
        file = os.open(self.folder.runs / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            until = time.monotonic() + LEAVING_S
            while not _locked(file):
                holder = os.pread(file, 200, 0).decode("utf-8", errors="replace").strip()
                if time.monotonic() > until or not self._has_ended(holder):
                    raise Busy(
                        f"{holder or 'Another run'} is training, and only one run trains at a time. Wait for it "
                        "to end, or stop it."
                    )
                time.sleep(0.1)
            os.ftruncate(file, 0)
            os.pwrite(file, name.encode(), 0)
            yield file
        finally:
            os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
