"""Reads the log of a job as it grows: marked lines are what the run says of itself, the others its log."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from medreason.domain.run import Checkpoint, RunState
from medreason.errors import MedReasonError
from medreason.finetune.parcel import File, files_of
from medreason.finetune.place import checkpoints_of
from medreason.finetune.progress import METRICS_FILE, State, number_or_none

LONGEST_LINE = 100_000


class JobWords:
    """`state` is the run's last word, `checkpoints` those on the cluster, `files` what it has made (None before it
    has ended), `refused` why it could not begin. Points go into the run's folder, other lines to `line`."""

    def __init__(self, run: Path, mark: str, line: Callable[[str], None]):
        self._points = run / METRICS_FILE
        self._mark, self._line = f"{mark} ", line
        self._taken = 0
        self.state: State | None = None
        self.checkpoints: tuple[Checkpoint, ...] = ()
        self.files: tuple[File, ...] | None = None
        self.refused = ""

    def take(self, log: str) -> None:
        """Take in what has come since the last time; half a line waits for its end."""
        end = log.rfind("\n") + 1
        new, self._taken = log[self._taken : end], max(end, self._taken)
        for line in new.splitlines():
            if not line.startswith(self._mark):
                if self._mark.strip() not in line:  # the cluster's own line on how the job was started
                    self._line(line[:LONGEST_LINE])
                continue
            try:
                self._hear(json.loads(line[len(self._mark) :]))
            except (ValueError, KeyError, TypeError, AttributeError, MedReasonError) as fault:
                self._line(f"A word of the job could not be read ({type(fault).__name__}).")

    def _hear(self, said: dict[str, Any]) -> None:
        kind = said["kind"]
        if kind == "state":
            self.state = _state(said["state"])
        elif kind == "no points":
            self._points.write_bytes(b"")
        elif kind == "point":
            with open(self._points, "a", encoding="utf-8") as file:
                file.write(str(said["line"]).replace("\n", " ") + "\n")
        elif kind == "checkpoints":
            self.checkpoints = checkpoints_of(said["list"])
        elif kind == "result":
            self.files = files_of(said["files"])
        elif kind == "refused":
            self.refused = str(said["words"])[:500]


def _state(found: dict[str, Any]) -> State:
    left = number_or_none(found.get("seconds_left"))
    resumed = found.get("resumed_from")
    return State(
        state=RunState(found["state"]),
        step=int(found["step"]),
        total_steps=int(found["total_steps"]),
        message=str(found["message"])[:1000],
        elapsed_s=float(found["elapsed_s"]),
        seconds_left=left,
        epoch=number_or_none(found.get("epoch")),
        resumed_from=None if resumed is None else int(resumed),
    )


def cut_log(log: Path, size: int) -> None:
    """Take back what a job has said, which is said anew by who follows it again."""
    if log.exists() and log.stat().st_size > size:
        os.truncate(log, size)


def waiting(state: State) -> State:
    """The state as it is while nothing new is heard: the time left is not known then."""
    return replace(state, seconds_left=None)
