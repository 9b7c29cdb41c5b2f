"""Puts a run's files and its process together into what can be said of it. Reads only; changes nothing."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from medreason.domain.training import RunState, RunStatus
from medreason.finetune import process, progress
from medreason.finetune.manifest import ADAPTER, read_manifest

STARTING_S = 30.0
MOST_RUN_ON_S = 3600.0


def read_run(path: Path) -> RunStatus:
    """The run in a folder, named as the folder."""
    child = process.read_process(path)
    running = child is not None and process.alive(child)
    # Read after the look at the process: a child that ended in between has left its last word by now.
    state = progress.read_state(path) or progress.State(RunState.LOADING, message="Starting.")
    if not state.state.ended and not running:
        state = _without_word(path, state, child)
    elif not state.state.ended and process.asked_to_stop(path):
        state = replace(state, message="Stopping after this step.", seconds_left=None)
    adapter = path / ADAPTER
    if state.state is RunState.COMPLETED and read_manifest(adapter) is None:
        state = replace(state, state=RunState.FAILED, message="Its adapter is missing or incomplete.")
    # The shown times run on between two words of a live child.
    live = running and not state.state.ended
    since = min(max(time.time() - state.written_at, 0.0), MOST_RUN_ON_S) if live and state.written_at else 0.0
    left = None if state.seconds_left is None else max(0.0, state.seconds_left - since)
    return RunStatus(
        name=path.name,
        state=state.state,
        step=state.step,
        total_steps=state.total_steps,
        elapsed_s=state.elapsed_s + since,
        seconds_left=left if live else None,
        losses=progress.read_losses(path),
        message=state.message,
        log_tail=progress.read_log_tail(path),
        adapter=str(adapter) if state.state is RunState.COMPLETED else "",
        started_at=child.started_at if child else _time_of(path),
    )


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
