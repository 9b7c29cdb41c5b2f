"""Where a run goes on from: the newest checkpoint that is whole to the last byte, or a refusal in words; never
silently from the beginning.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from medreason.errors import MedReasonError
from medreason.finetune.checkpoints import TRAINER, Marker, place_of, read_checkpoints, verified
from medreason.finetune.record import Made, differences, made_from


@dataclass(frozen=True)
class Resumption:
    """The checkpoint that a run goes on from. `passed_over` are newer ones with what is wrong with them."""

    place: Path
    marker: Marker
    passed_over: tuple[tuple[int, str], ...] = ()

    @property
    def step(self) -> int:
        return self.marker.step

    def words(self) -> str:
        """Which one was taken and why, for the log."""
        taken = f"Going on from the checkpoint of step {self.step}, the newest that is whole."
        return " ".join([taken, *(f"Passed over: {one}." for one in _listed(self.passed_over))])


def choose(run: Path) -> Resumption:
    """The newest whole checkpoint of a run, its files compared by their hashes. Raises `MedReasonError` where
    there is none, naming what is wrong with each."""
    passed_over: list[tuple[int, str]] = []
    for one in reversed(read_checkpoints(run)):
        place = place_of(run, one.step)
        try:
            return Resumption(place, verified(place), tuple(passed_over))
        except MedReasonError as fault:
            passed_over.append((one.step, str(fault)))
    if not passed_over:
        raise MedReasonError(f"The run {run.name} has no checkpoint to go on from. Start it again as a new run.")
    raise MedReasonError(
        f"The run {run.name} cannot go on, as none of its checkpoints is whole: "
        f"{'; '.join(_listed(passed_over))}. Start it again as a new run."
    )


def check_same(resumption: Resumption, now: Made) -> None:
    """Refuse to go on with other settings, rows or another base than the checkpoint was made with, naming what
    differs; and a trainer's state that does not belong to it."""
    try:
        then = made_from(resumption.marker.made)
    except (KeyError, TypeError, ValueError):
        raise MedReasonError(
            f"The checkpoint of step {resumption.step} does not say what it was made of, so the run cannot go on "
            "from it. Start it again as a new run."
        ) from None
    if different := differences(then, now):
        raise MedReasonError(
            f"The run cannot go on from step {resumption.step}, as not all is as it was: {'; '.join(different)}. "
            "Resume it as it was, or start a new run."
        )
    _check_state(resumption, now.steps)


def _check_state(resumption: Resumption, steps: int) -> None:
    try:
        found = json.loads((resumption.place / TRAINER).read_text(encoding="utf-8"))
        at, of = found["global_step"], found["max_steps"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        at = of = None
    if (at, of) != (resumption.step, steps):
        said = "cannot be read" if at is None else f"is that of step {at} of {of}"
        raise MedReasonError(
            f"The run cannot go on from step {resumption.step} of {steps}: its {TRAINER} {said}. Remove that "
            "checkpoint to go on from the one before, or start a new run."
        )


def _listed(passed_over: list[tuple[int, str]] | tuple[tuple[int, str], ...]) -> list[str]:
    return [f"step {step}, because {fault}" for step, fault in passed_over]
