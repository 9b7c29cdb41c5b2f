"""How far a run is, as files: written by the child that trains, read by whoever shows it.

`state.json` is replaced whole and never seen half-written; `metrics.jsonl` only grows. Times within a run come
from the child's monotonic clock, so setting the computer's clock moves nothing. Knows nothing of processes.
"""

import json
import math
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from medreason.domain.run import LossPoint, RunState

STATE_FILE = "state.json"
METRICS_FILE = "metrics.jsonl"
LOG_FILE = "train.log"
LOG_TAIL_BYTES = 32_768
LOG_TAIL_LINES = 60
LOG_LINE_CHARS = 400
MEASURED = ("epoch", "learning_rate", "grad_norm", "tokens_per_s", "gpu_memory_gib", "elapsed_s")


@dataclass(frozen=True)
class State:
    """What the child said last. `written_at` is wall-clock time and only used to let a shown time run on."""

    state: RunState
    step: int = 0
    total_steps: int = 0
    message: str = ""
    elapsed_s: float = 0.0
    seconds_left: float | None = None
    written_at: float = 0.0
    epoch: float | None = None
    resumed_from: int | None = None


class Recorder:
    """Writes a run's progress. One writer a folder; nothing is kept in memory that is not on disk.
    `elapsed_before` are the seconds of the run's earlier starts."""

    def __init__(self, folder: Path, elapsed_before: float = 0.0):
        self.folder = folder
        self.began = time.monotonic() - elapsed_before
        self.step = 0
        self.total_steps = 0
        self.seconds_left: float | None = None
        self.epoch: float | None = None
        self.resumed_from: int | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds over all starts of the run."""
        return time.monotonic() - self.began

    def state(self, state: RunState, message: str = "") -> None:
        """Replace `state.json`: a reader sees the old one or the new one."""
        said = State(
            state=state,
            step=self.step,
            total_steps=self.total_steps,
            message=message,
            elapsed_s=round(self.elapsed_s, 2),
            seconds_left=None if state.ended else self.seconds_left,
            written_at=time.time(),
            epoch=self.epoch,
            resumed_from=self.resumed_from,
        )
        write_state(self.folder, said)

    def loss(self, step: int, loss: float, held_out: bool = False, **more: float | None) -> None:
        """Append one point; `more` are the other fields of a `LossPoint`. A loss that is no number is kept as
        null: JSON has no NaN. Other values that are none are left out."""
        known = {name: value for name, value in more.items() if value is not None and math.isfinite(value)}
        line = {
            "step": step,
            "loss": loss if math.isfinite(loss) else None,
            "held_out": held_out,
            "elapsed_s": round(self.elapsed_s, 2),
            **known,
        }
        with open(self.folder / METRICS_FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Unwritten(Recorder):
    """That of a process which leaves the writing to the first one of its run."""

    def state(self, state: RunState, message: str = "") -> None:
        pass

    def loss(self, step: int, loss: float, held_out: bool = False, **more: float | None) -> None:
        pass


def write_state(folder: Path, state: State) -> None:
    """Replace `state.json` whole; a last word is brought to the disk. Raises `OSError` where that fails."""
    target = folder / STATE_FILE
    building = target.with_suffix(".json.new")
    with open(building, "w", encoding="utf-8") as file:
        json.dump(asdict(state), file)
        file.flush()
        if state.state.ended:
            os.fsync(file.fileno())
    os.replace(building, target)


def read_state(folder: Path) -> State | None:
    """The last state of a run, or None where there is none that can be read."""
    try:
        found = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        left = found["seconds_left"]
        return State(
            state=RunState(found["state"]),
            step=int(found["step"]),
            total_steps=int(found["total_steps"]),
            message=str(found["message"]),
            elapsed_s=float(found["elapsed_s"]),
            seconds_left=None if left is None else float(left),
            written_at=float(found["written_at"]),
            epoch=number_or_none(found.get("epoch")),
            resumed_from=None if found.get("resumed_from") is None else int(found["resumed_from"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_losses(folder: Path) -> tuple[LossPoint, ...]:
    """Every whole point of `metrics.jsonl`. Half a line at the end, or a damaged one, is left out."""
    points = (_point(line) for line in _metric_lines(folder))
    return tuple(point for point in points if point is not None)


def cut_after(folder: Path, step: int) -> None:
    """Take back every point after `step`, and damaged lines: a run that goes on from there measures them anew.
    The file is replaced whole."""
    lines = _metric_lines(folder)
    kept = [line for line in lines if (found := _step_of(line)) is not None and found <= step]
    building = folder / f"{METRICS_FILE}.new"
    with open(building, "w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in kept)
        file.flush()
        os.fsync(file.fileno())
    os.replace(building, folder / METRICS_FILE)


def _metric_lines(folder: Path) -> list[str]:
    try:
        return (folder / METRICS_FILE).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []


def _step_of(line: str) -> int | None:
    try:
        step = json.loads(line)["step"]
        return step if isinstance(step, int) else None
    except (ValueError, KeyError, TypeError):
        return None


def _point(line: str) -> LossPoint | None:
    try:
        found = json.loads(line)
        step, loss = found["step"], number_or_none(found["loss"])
        if not isinstance(step, int) or loss is None:
            return None
        return LossPoint(
            step,
            loss,
            found.get("held_out") is True,
            **{name: number_or_none(found.get(name)) for name in MEASURED},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def number_or_none(value: object) -> float | None:
    """A finite number as a float; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def read_log_tail(folder: Path) -> str:
    """The last lines of the log as plain text, in bounded memory: no colour codes, progress bars reduced to
    their last state, long lines cut, unknown bytes replaced."""
    try:
        with open(folder / LOG_FILE, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_TAIL_BYTES))
            content = file.read(LOG_TAIL_BYTES)
    except OSError:
        return ""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", content.decode("utf-8", errors="replace"))
    first, *others = text.split("\n")
    if size > LOG_TAIL_BYTES:  # begins in the middle: of a bar its last state is whole, of a line its end
        first = first if "\r" in first.rstrip("\r") else "" if others else first[-LOG_LINE_CHARS:]
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in (first, *others)]
    shown = ["".join(one for one in line[:LOG_LINE_CHARS] if one.isprintable() or one == "\t") for line in lines]
    return "\n".join([line for line in shown if line.strip()][-LOG_TAIL_LINES:])
