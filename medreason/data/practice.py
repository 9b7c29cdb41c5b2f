"""Practice cases: two prepared texts side by side, and what a careful rater would give, mark and prefer, and why.

They come with the program, are the same for everybody and are never counted.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import SIDES, Side
from medreason.domain.case import Case, CaseKind
from medreason.domain.judgement import Given
from medreason.domain.span import Span, SpanType, Target, text_sha256


@dataclass(frozen=True)
class PracticeCase:
    """One practice case. `preference` is from -3 (left much better) to +3."""

    case: Case
    left: Answer
    right: Answer
    expected: tuple[Given, ...]
    marks: tuple[Span, ...]
    preference: int
    why: tuple[str, ...]

    def answer(self, side: Side) -> Answer:
        return self.left if side is Side.LEFT else self.right


def load_practice(path: Path) -> tuple[PracticeCase, ...]:
    """Every practice case of a file of the program's own, one JSON object a line."""
    with open(path, encoding="utf-8") as file:
        return tuple(_practice(json.loads(line)) for line in file)


def _practice(row: dict) -> PracticeCase:
    said = {side: _answer(row[side]) for side in SIDES}
    return PracticeCase(
        case=Case(
            case_id=row["case_id"],
            text=row["text"],
            specialty=row["specialty"],
            reference_answer=row["reference_answer"],
            kind=CaseKind.PRACTICE,
            source=row["source"],
        ),
        left=said[Side.LEFT],
        right=said[Side.RIGHT],
        expected=tuple(
            Given(side, item, value) for side in SIDES for item, value in row["expected"][side].items()
        ),
        marks=tuple(_mark(said[Side(mark["side"])], mark) for mark in row["marks"]),
        preference=row["preference"],
        why=tuple(row["why"]),
    )


def _answer(said: dict[str, str]) -> Answer:
    return Answer(said["thinking"], said["answer"], Finish.STOP, thought=True, closed=True)


def _mark(answer: Answer, mark: dict) -> Span:
    target = Target(mark["target"])
    text = answer.thinking if target is Target.TRACE else answer.text
    start = text.index(mark["quote"])
    return Span(
        side=Side(mark["side"]),
        target=target,
        start=start,
        end=start + len(mark["quote"]),
        quote=mark["quote"],
        text_sha256=text_sha256(text),
        type=SpanType(mark["type"]),
        severity=mark["severity"],
    )
