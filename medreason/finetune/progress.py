"""How far a run is, as files: written by the child that trains, read by whoever shows it.

`state.json` is replaced whole and never seen half-written; `metrics.jsonl` only grows. Times within a run come
from the child's monotonic clock, so setting the computer's clock moves nothing. Knows nothing of processes.
"""

import json
import math
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.training import LossPoint, RunState

STATE_FILE = "state.json"
METRICS_FILE = "metrics.jsonl"
LOG_FILE = "train.log"
LOG_TAIL_BYTES = 32_768
LOG_TAIL_LINES = 60
LOG_LINE_CHARS = 400


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


class Recorder:
    """Writes a run's progress. One writer a folder; nothing is kept in memory that is not on disk."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.began = time.monotonic()
        self.step = 0
        self.total_steps = 0
        self.seconds_left: float | None = None

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.began

    def state(self, state: RunState, message: str = "") -> None:
        """Replace `state.json`: a reader sees the old one or the new one."""
        content = {
            "state": str(state),
            "step": self.step,
            "total_steps": self.total_steps,
            "message": message,
            "elapsed_s": round(self.elapsed_s, 2),
            "seconds_left": None if state.ended else self.seconds_left,
            "written_at": time.time(),
        }
        target = self.folder / STATE_FILE
        building = target.with_suffix(".json.new")
        with open(building, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            if state.ended:
                os.fsync(file.fileno())
        os.replace(building, target)

    def loss(self, step: int, loss: float, held_out: bool = False, **more: float) -> None:
        """Append one point. A loss that is no number is kept as null: JSON has no NaN."""
        line = {
            "step": step,
            "loss": loss if math.isfinite(loss) else None,
            "held_out": held_out,
            "elapsed_s": round(self.elapsed_s, 2),
            **{name: value for name, value in more.items() if math.isfinite(value)},
        }
        with open(self.folder / METRICS_FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


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
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_losses(folder: Path) -> tuple[LossPoint, ...]:
    """Every whole point of `metrics.jsonl`. Half a line at the end, or a damaged one, is left out."""
    try:
        content = (folder / METRICS_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    points: list[LossPoint] = []
    for line in content.split("\n"):
        try:
            found = json.loads(line)
            step, loss = found["step"], found["loss"]
            if isinstance(step, int) and isinstance(loss, (int, float)) and math.isfinite(loss):
                points.append(LossPoint(step, float(loss), found.get("held_out") is True))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return tuple(points)


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
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    if size > LOG_TAIL_BYTES and len(lines) > 1:
        lines = lines[1:]
    shown = ["".join(one for one in line[:LOG_LINE_CHARS] if one.isprintable() or one == "\t") for line in lines]
    return "\n".join([line for line in shown if line.strip()][-LOG_TAIL_LINES:])
