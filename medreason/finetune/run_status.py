"""Puts a run's files and its process together into what can be said of it. Reads only; changes nothing."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from medreason.domain.run import Checkpoint, LossPoint, RunState, RunStatus
from medreason.finetune import process, progress
from medreason.finetune.checkpoints import read_checkpoints
from medreason.finetune.manifest import ADAPTER, MANIFEST_FILE, WEIGHTS_FILE, read_manifest
from medreason.finetune.place import read_place
from medreason.finetune.ticket import has_process, read_ticket
from medreason.finetune.title import read_title

MOST_RUN_ON_S = 3600.0
DONE = (RunState.COMPLETED, RunState.STOPPED)
NOBODY_FOLLOWS = "Nobody here follows it any more. Resume looks for its job on"
REFUSED = 2
GPU_MEMORY = re.compile(r"CUDA out of memory|OutOfMemoryError|CUBLAS_STATUS_ALLOC_FAILED")


def read_run(path: Path) -> RunStatus:
    """The run in a folder, named as the folder. Raises `OSError` where the folder is gone."""
    child = process.read_process(path)
    # Without a process on record somebody may be starting it this moment.
    running = process.alive(child) if child is not None else has_process(path)
    # Read after the look at the process: a child that ended in between has left its last word by now.
    state = progress.read_state(path) or progress.State(RunState.QUEUED, message="Starting.")
    place = read_place(path)
    checkpoints = place.checkpoints if place else read_checkpoints(path)
    log_tail = progress.read_log_tail(path)
    if not state.state.ended and not running:
        state = _without_word(path, state, child, checkpoints, log_tail)
        if place is not None and place.followable:
            state = replace(state, state=RunState.LOST, message=f"{NOBODY_FOLLOWS} {place.cluster.words}.")
    elif not state.state.ended and (asked := process.read_stop(path)) is not None:
        words = "Stopping after this step; the adapter is kept." if asked.save else "Stopping."
        state = replace(state, message=words, seconds_left=None)
    adapter = path / ADAPTER
    whole = state.state in (RunState.COMPLETED, RunState.STOPPED) and has_adapter(adapter)
    if state.state is RunState.COMPLETED and not whole:
        state = replace(state, state=RunState.FAILED, message="Its adapter is missing or incomplete.")
    followable = place is not None and place.followable and state.state.ended and state.state not in DONE
    # The shown times run on between two words of a live child that has its turn.
    live = running and not state.state.ended and state.state is not RunState.QUEUED
    since = min(max(time.time() - state.written_at, 0.0), MOST_RUN_ON_S) if live and state.written_at else 0.0
    left = None if state.seconds_left is None else max(0.0, state.seconds_left - since)
    return RunStatus(
        name=path.name,
        state=state.state,
        step=state.step,
        total_steps=state.total_steps,
        epoch=state.epoch,
        elapsed_s=state.elapsed_s + since,
        seconds_left=left if live else None,
        losses=_losses(path),
        message=state.message,
        log_tail=log_tail,
        adapter=str(adapter) if whole else "",
        started_at=_started_at(path, child),
        title=read_title(path),
        checkpoints=checkpoints,
        resumed_from=state.resumed_from,
        resume_blocked="" if followable else _resume_blocked(state.state, checkpoints),
        elsewhere=place.cluster.words if place else "",
        followable=followable,
    )


def has_adapter(adapter: Path) -> bool:
    """Whether a folder holds a whole adapter. Its manifest, which may be long, is read again only when changed."""
    try:
        found = (adapter / MANIFEST_FILE).stat()
    except OSError:
        return False
    return (adapter / WEIGHTS_FILE).is_file() and _has_manifest(adapter, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=256)
def _has_manifest(adapter: Path, mtime_ns: int, size: int) -> bool:
    return read_manifest(adapter) is not None


def _losses(path: Path) -> tuple[LossPoint, ...]:
    """The points of a run, read again only when its file has grown: a page looks every second."""
    try:
        found = (path / progress.METRICS_FILE).stat()
    except OSError:
        return ()
    return _kept_losses(path, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=64)
def _kept_losses(path: Path, inode: int, mtime_ns: int, size: int) -> tuple[LossPoint, ...]:
    return progress.read_losses(path)


def _started_at(path: Path, child: process.Process | None) -> str:
    if child is not None:
        return child.started_at
    if (ticket := read_ticket(path)) is not None and ticket.started_at:
        return ticket.started_at
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")


def _resume_blocked(state: RunState, checkpoints: tuple[Checkpoint, ...]) -> str:
    """Why an ended run cannot go on; empty where it can, and while it is still at work."""
    if not state.ended or any(one.whole for one in checkpoints) and state is not RunState.COMPLETED:
        return ""
    if state is RunState.COMPLETED:
        return "It has made all its steps. Start a new run to train further."
    if checkpoints:
        return "None of its checkpoints is whole. Start it again under another name."
    return "It ended before its first checkpoint. Start it again under another name."


def _without_word(
    path: Path,
    state: progress.State,
    child: process.Process | None,
    checkpoints: tuple[Checkpoint, ...],
    log_tail: str,
) -> progress.State:
    """What to say of a run whose process is gone and left no last word."""
    whole = [one.step for one in checkpoints if one.whole]
    again = f"Resume it from step {max(whole)}." if whole else "Start it again."
    if child is None:
        words = f"It never started: the app ended while starting it. {again}"
        return replace(state, state=RunState.LOST, message=words, seconds_left=None)
    code = process.read_exit_code(path, child)
    last = progress.read_state(path)
    if last is not None and last.state.ended:
        return last
    if process.asked_to_stop(path):
        verdict, words = RunState.STOPPED, _stopped(state)
    elif state.state is RunState.QUEUED and code is not None and code < 0:
        verdict, words = RunState.FAILED, f"It was ended from outside before its turn came. {again}"
    else:
        verdict, words = _verdict(code, log_tail, again)
    at = f" It had reached step {state.step} of {state.total_steps}." if state.total_steps else ""
    return replace(state, state=verdict, message=words + at, seconds_left=None)


def _stopped(state: progress.State) -> str:
    if state.state is RunState.QUEUED:
        return "Stopped before its turn came."
    return "Stopped by force, as it did not end by itself. No adapter was kept."


def _verdict(code: int | None, log_tail: str, again: str) -> tuple[RunState, str]:
    if code != -9 and GPU_MEMORY.search(log_tail):
        return RunState.FAILED, (
            "The GPU ran out of memory. End what else uses it, or use fewer rows at once, shorter rows, gradient "
            "checkpointing or nf4, then start again."
        )
    if code is None:
        return RunState.LOST, f"Its process is gone and left no word of how it ended. {again}"
    if code == -9:
        return RunState.FAILED, (
            "The training process was killed from outside, most often because the computer ran out of memory. "
            f"Close other programs or use fewer rows at once. {again}"
        )
    if code < 0:
        return RunState.FAILED, f"The training process was ended from outside (signal {-code}). {again}"
    if code == REFUSED and log_tail:  # its one sentence on what is wrong with what it was given
        return RunState.FAILED, log_tail.splitlines()[-1]
    if code > 0:
        return RunState.FAILED, f"The training process ended with a fault (exit code {code}). Its log tells more."
    return RunState.FAILED, "The training process ended without a result. Its log tells more."
