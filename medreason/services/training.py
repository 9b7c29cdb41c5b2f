"""Starts, stops and describes training runs. What is on disk is the truth; this object remembers nothing that a
fresh one on the same data folder could not find out.

The run itself is a child process (`training_scripts/train_qlora.py`) that outlives this one. Loads no torch.
"""

import fcntl
import math
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from medreason.data.rows import load_rows
from medreason.data.subset import held_out_count
from medreason.demo import CURRICULUM
from medreason.domain.training import RUN_NAME, RunState, RunStatus, TrainingConfig
from medreason.domain.user import Action, User
from medreason.errors import Busy, MedReasonError, NotFound
from medreason.finetune import process, progress
from medreason.finetune.config_file import write_config
from medreason.finetune.manifest import ADAPTER, read_manifest
from medreason.finetune.recipe import step_count
from medreason.folder import DataFolder
from medreason.models.base import resolve_base

SCRIPT = Path(__file__).resolve().parents[2] / "training_scripts" / "train_qlora.py"
CONFIG_FILE = "config.yaml"
LOCK_FILE = ".training.lock"
DISK_NEEDED_BYTES = 600 * 1024**2
STARTING_S = 30.0
OF_A_STEP = (
    "base_model",
    "quantization",
    "data",
    "max_length",
    "batch_size",
    "accumulation",
    "lora_rank",
    "target_modules",
    "gradient_checkpointing",
)


@dataclass(frozen=True)
class Plan:
    """What a run would do. `seconds` is measured, from an earlier run of the same kind on this computer, named
    in `measured_by`; None where there was none."""

    rows: int
    rows_in_file: int
    held_out: int
    steps: int
    seconds: float | None = None
    measured_by: str = ""


class Training:
    """The runs below one data folder; at most one of them trains."""

    def __init__(self, folder: DataFolder, script: Path = SCRIPT, grace_s: float = process.GRACE_S):
        self.folder = folder
        self.script = script
        self.grace_s = grace_s

    def plan(self, config: TrainingConfig) -> Plan:
        """What `config` would do with its data; raises `MedReasonError` where the data cannot be used."""
        in_file = _row_count(data_path(config))
        rows = min(config.max_rows or in_file, in_file)
        held_out = held_out_count(rows, config.eval_fraction)
        steps = step_count(config, rows - held_out)
        for status in self.runs():
            manifest = read_manifest(self._path(status.name) / ADAPTER) or {}
            if seconds := _measured(manifest, config, steps):
                return Plan(rows, in_file, held_out, steps, seconds, status.name)
        return Plan(rows, in_file, held_out, steps)

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
        child = process.read_process(path)
        running = child is not None and process.alive(child)
        # Read after the look at the process: a child that ended in between has left its last word by now.
        state = progress.read_state(path) or progress.State(RunState.LOADING, message="Starting.")
        if not state.state.ended and not running:
            state = _without_word(path, state, child)
        elif running and process.asked_to_stop(path) and not state.state.ended:
            state = progress.State(**{**vars(state), "message": "Stopping after this step.", "seconds_left": None})
        adapter = path / ADAPTER
        if state.state is RunState.COMPLETED and read_manifest(adapter) is None:
            state = progress.State(
                RunState.FAILED, state.step, state.total_steps, "Its adapter is missing or incomplete."
            )
        since = min(max(time.time() - state.written_at, 0.0), 3600.0) if running else 0.0
        left = None if state.seconds_left is None else max(0.0, state.seconds_left - since)
        return RunStatus(
            name=name,
            state=state.state,
            step=state.step,
            total_steps=state.total_steps,
            elapsed_s=state.elapsed_s + (since if not state.state.ended else 0.0),
            seconds_left=left if running else None,
            losses=progress.read_losses(path),
            message=state.message,
            log_tail=progress.read_log_tail(path),
            adapter=str(adapter) if state.state is RunState.COMPLETED else "",
            started_at=child.started_at if child else _time_of(path),
        )

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
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as fault:
                holder = os.pread(file, 200, 0).decode("utf-8", errors="replace").strip() or "another run"
                raise Busy(
                    f"{holder} is training, and only one run trains at a time. Wait for it to end, or stop it."
                ) from fault
            os.ftruncate(file, 0)
            os.pwrite(file, name.encode(), 0)
            yield file
        finally:
            os.close(file)


def data_path(config: TrainingConfig) -> Path:
    """The file that a configuration trains on."""
    return CURRICULUM if config.data == "curriculum" else Path(config.data).expanduser()


def _row_count(path: Path) -> int:
    """Rows of a data file. Read again only when the file has changed: a form asks with every key."""
    try:
        found = path.stat()
    except OSError:
        return len(load_rows(path))
    return _counted(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=8)
def _counted(path: Path, mtime_ns: int, size: int) -> int:
    return len(load_rows(path))


def _measured(manifest: dict, config: TrainingConfig, steps: int) -> float | None:
    """Seconds that `steps` steps of `config` would take, going by an earlier run with the same settings of a
    step; None where it had others."""
    try:
        earlier = manifest["config"]
        if any(earlier[name] != getattr(config, name) for name in OF_A_STEP) or manifest["steps"] < 3:
            return None
        seconds = (
            manifest["duration_s"] - manifest["training_s"] + manifest["training_s"] / manifest["steps"] * steps
        )
        return seconds if math.isfinite(seconds) and seconds > 0 else None
    except (KeyError, TypeError):
        return None


def _without_word(path: Path, state: progress.State, child: process.Process | None) -> progress.State:
    """What to say of a run whose process is gone and left no last word."""
    if child is None:
        if time.time() - path.stat().st_mtime < STARTING_S:
            return progress.State(RunState.QUEUED, message="Starting.")
        verdict, message = RunState.LOST, "It never started: the app ended while starting it."
    else:
        code = process.read_exit_code(path, wait_for=child)
        last = progress.read_state(path)
        if last is not None and last.state.ended:
            return last
        verdict, message = _verdict(code, process.asked_to_stop(path))
    at = f" It had reached step {state.step} of {state.total_steps}." if state.total_steps else ""
    return progress.State(verdict, state.step, state.total_steps, message + at, state.elapsed_s)


def _verdict(code: int | None, asked_to_stop: bool) -> tuple[RunState, str]:
    if asked_to_stop:
        return RunState.STOPPED, "Stopped by force, as it did not end by itself. No adapter was kept."
    if code is None:
        return RunState.LOST, "Its process is gone and left no word of how it ended. Start it again."
    if code == -9:
        return RunState.FAILED, (
            "The training process was killed from outside, most often because the computer ran out of memory. "
            "Close other programs or use fewer rows at once, then start again."
        )
    if code < 0:
        return (
            RunState.FAILED,
            f"The training process was ended from outside (signal {-code}). Start it again.",
        )
    if code > 0:
        return (
            RunState.FAILED,
            f"The training process ended with a fault (exit code {code}). Its log tells more.",
        )
    return RunState.FAILED, "The training process ended without a result. Its log tells more."


def _time_of(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
