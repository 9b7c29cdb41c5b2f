"""What one rater submits at once about one showing of a pair: items a side, marks, preference, confidence.

In terms of left and right, as the rater saw them; which arm stood where belongs to the showing. Says what is
still lacking in plain words; knows nothing of the texts (`Span.fits` is asked where they are).
"""

from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.arms import SIDES, Side
from medreason.domain.checks import Checks
from medreason.domain.instrument import AXES, PREFERENCES, SCALES
from medreason.domain.items import (
    CONFIDENCE,
    FAMILIARITY,
    ITEMS,
    NONE_FOUND,
    OPTIONAL,
    REQUIRED,
    Instrument,
    Phase,
)
from medreason.domain.rating import LONGEST_COMMENT
from medreason.domain.span import Span

OVERALL = "overall"
PREFERRED_ON = (OVERALL, *(str(axis) for axis in AXES))
MOST_SPANS = 200


class Guess(StrEnum):
    """Which side the rater takes for the fine-tuned model."""

    LEFT = "left"
    RIGHT = "right"
    DONT_KNOW = "dk"


@dataclass(frozen=True)
class Given:
    """One side on one item: a point of its scale, or None for "cannot judge"."""

    side: Side
    item: str
    value: int | None

    def __post_init__(self) -> None:
        checks = Checks()
        checks.choice("side", self.side, list(SIDES))
        if checks.choice("item", self.item, list(ITEMS)):
            item = ITEMS[self.item]
            if self.value is not None:
                checks.number(item.name, self.value, item.lowest, item.highest, whole=True)
            else:
                checks.require(bool(item.cannot_judge), item.name, None, "give one of its points")
        checks.done()


@dataclass(frozen=True)
class Preferred:
    """A preference on one axis or overall: -3 (left much better) to +3, None for "cannot judge"."""

    on: str
    value: int | None

    def __post_init__(self) -> None:
        checks = Checks()
        checks.choice("preference on", self.on, PREFERRED_ON)
        if self.value is not None:
            checks.choice("preference", self.value, list(PREFERENCES))
        checks.done()


@dataclass(frozen=True)
class Judgement:
    """One submission. `active_ms`: time at work on this phase, pauses left out. `idempotency_key` names the
    act of submitting, so that a retry is not a second one. `reason` says why an earlier one is changed."""

    phase: Phase
    given: tuple[Given, ...] = ()
    spans: tuple[Span, ...] = ()
    preferred: tuple[Preferred, ...] = ()
    both_unacceptable: bool = False
    confidence: int | None = None
    familiarity: int | None = None
    guess: Guess | None = None
    comment: str = ""
    reason: str = ""
    active_ms: int = 0
    idempotency_key: str = ""

    def __post_init__(self) -> None:
        checks = Checks()
        checks.choice("phase", self.phase, list(Phase))
        places = [(one.side, one.item) for one in self.given]
        for side, item in sorted({place for place in places if places.count(place) > 1}):
            checks.require(False, f"{ITEMS[item].name}, {side}", None, "is given twice")
        axes = [one.on for one in self.preferred]
        checks.require(len(axes) == len(set(axes)), "preference", axes, "is given twice for one axis")
        checks.require(
            len(self.spans) <= MOST_SPANS, "marks", len(self.spans), f"keep to {MOST_SPANS} marks a rating"
        )
        for name, value, points in (
            ("confidence", self.confidence, CONFIDENCE),
            ("familiarity", self.familiarity, FAMILIARITY),
        ):
            if value is not None:
                checks.number(name, value, 1, len(points), whole=True)
        if self.guess is not None:
            checks.choice("guess", self.guess, list(Guess))
        checks.text("comment", self.comment, LONGEST_COMMENT, empty_ok=True)
        checks.text("reason", self.reason, 2000, empty_ok=True)
        checks.number("active time", self.active_ms, 0, 10**9, whole=True)
        checks.text("idempotency key", self.idempotency_key, 200, empty_ok=True)
        checks.done()

    def value(self, side: Side, item: str) -> int | None:
        """What was given; None also where nothing was (`has` tells the two apart)."""
        return next((one.value for one in self.given if (one.side, one.item) == (side, item)), None)

    def has(self, side: Side, item: str) -> bool:
        return any((one.side, one.item) == (side, item) for one in self.given)

    def preference(self, on: str = OVERALL) -> int | None:
        return next((one.value for one in self.preferred if one.on == on), None)

    def lacking(self, instrument: Instrument) -> tuple[str, ...]:
        """What this phase of the instrument still asks for, in words and in the order of the page; and what
        does not belong to it. Empty when it can be stored."""
        wanted, allowed = REQUIRED.get((instrument, self.phase)), OPTIONAL.get((instrument, self.phase))
        if wanted is None or allowed is None:
            return (f"{self.phase} is no part of this study's questions",)
        lacking = [
            f"{side.label}: {item.name.lower()}"
            for side in SIDES
            for item in wanted
            if not self.has(side, item.id)
        ]
        known = {item.id for item in (*wanted, *allowed)}
        lacking += [f"{ITEMS[one.item].name} is not asked here" for one in self.given if one.item not in known]
        if self.phase is Phase.WITH_TRACE:
            lacking += [f"{side.label}: {_LOOKED}" for side in SIDES if not self._looked(side)]
            if OVERALL not in [one.on for one in self.preferred]:
                lacking.append("which answer is better, all in all")
            if instrument is Instrument.FULL:
                lacking += ["how confident you are"] if self.confidence is None else []
                lacking += ["which side you take for the fine-tuned model"] if self.guess is None else []
        return tuple(lacking)

    def _looked(self, side: Side) -> bool:
        return self.value(side, NONE_FOUND.id) == 1 or any(span.side is side for span in self.spans)


_LOOKED = "marks, or the tick that you looked for invented content and found none"


def axis_name(on: str) -> str:
    """What a preference is about, in words."""
    return "all in all" if on == OVERALL else next(s.name.lower() for a, s in SCALES.items() if str(a) == on)
