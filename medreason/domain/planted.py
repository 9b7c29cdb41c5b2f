"""A text with planted errors: written by the lead, it stands in place of one arm's answer, and the places of its
errors are known. Knows nothing of who is shown it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from medreason.domain.checks import Checks
from medreason.domain.span import SEVERITIES, SpanType, Target

LONGEST_PLANTED = 100_000
MOST_ERRORS = 20
USUAL_SEVERITY = 3


@dataclass(frozen=True)
class WrongWords:
    """One planted error: `quote` are the wrong words in the text that `target` names."""

    quote: str
    target: Target = Target.ANSWER
    type: SpanType = SpanType.FABRICATED_FACT
    severity: int = USUAL_SEVERITY


class Place(NamedTuple):
    """Where an error is: code points of its text, half open."""

    error: WrongWords
    start: int
    end: int


@dataclass(frozen=True)
class Planted:
    """A written text and its errors: the first one in `quote` to `severity`, further ones in `more`. Wrong words
    occur exactly once in the text that their target names, and no two errors share a character."""

    case_id: str
    answer: str
    quote: str
    thinking: str = ""
    target: Target = Target.ANSWER
    type: SpanType = SpanType.FABRICATED_FACT
    severity: int = USUAL_SEVERITY
    more: tuple[WrongWords, ...] = ()

    def __post_init__(self) -> None:
        checks = Checks()
        where = f"planted error of {self.case_id}"
        checks.text(f"{where}, answer", self.answer, LONGEST_PLANTED)
        checks.text(f"{where}, thinking", self.thinking, LONGEST_PLANTED, empty_ok=True)
        checks.require(
            len(self.errors) <= MOST_ERRORS, where, len(self.errors), f"plant at most {MOST_ERRORS} in one text"
        )
        for error in self.errors:
            self._check(checks, where, error)
        checks.done()
        for one, other in self._neighbours():
            checks.require(
                one.end <= other.start, f"{where}, wrong words", other.error.quote, f"overlap “{one.error.quote}”"
            )
        checks.done()

    def _check(self, checks: Checks, where: str, error: WrongWords) -> None:
        checks.text(f"{where}, wrong words", error.quote, LONGEST_PLANTED)
        checks.choice(f"{where}, target", error.target, list(Target))
        kinds = [one for one in SpanType if one != SpanType.OMISSION]
        checks.choice(f"{where}, kind of mark", error.type, kinds)
        checks.number(f"{where}, severity", error.severity, min(SEVERITIES), max(SEVERITIES), whole=True)
        if isinstance(error.quote, str) and error.quote:
            checks.require(
                self._text(error.target).count(error.quote) == 1,
                f"{where}, wrong words",
                error.quote,
                f"must occur exactly once in the {error.target}",
            )

    def _neighbours(self) -> Iterator[tuple[Place, Place]]:
        placed = sorted(self.places, key=lambda one: (one.error.target, one.start))
        for one, other in zip(placed, placed[1:], strict=False):
            if one.error.target is other.error.target:
                yield one, other

    def _text(self, target: Target) -> str:
        return self.thinking if target is Target.TRACE else self.answer

    @property
    def errors(self) -> tuple[WrongWords, ...]:
        return (WrongWords(self.quote, self.target, self.type, self.severity), *self.more)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every error with its place, in the order given."""
        starts = [self._text(error.target).index(error.quote) for error in self.errors]
        ends = (start + len(error.quote) for start, error in zip(starts, self.errors, strict=True))
        return tuple(map(Place, self.errors, starts, ends))
