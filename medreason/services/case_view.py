"""One case behind the numbers: what was asked, both answers with everything marked in them, what raters gave.

Only of studies whose arms may be known; texts are as they were written, and whoever shows them escapes them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from medreason.domain.arms import ARMS, Arm
from medreason.domain.instrument import SCALES
from medreason.domain.pack import GenerationRow, PackData, SpanRow
from medreason.errors import NotAllowed, NotFound
from medreason.services.answer_pairs import answer_pairs
from medreason.services.assessing import Assessment
from medreason.stats.by_case import CaseValue

BLIND = "The study is not unblinded, so no texts are shown beside the arms."


@dataclass(frozen=True)
class Piece:
    """A stretch of text under the same marks, none or several."""

    text: str
    marks: tuple[SpanRow, ...] = ()


@dataclass(frozen=True)
class AnswerView:
    """One answer in pieces; `note` says how it ended where it was cut."""

    arm: Arm
    thinking: tuple[Piece, ...]
    answer: tuple[Piece, ...]
    marks: tuple[SpanRow, ...]
    tokens: str
    note: str


@dataclass(frozen=True)
class Given:
    """What one rater gave: score by axis for baseline and fine-tuned, the preference, the comment."""

    rater: str
    scores: dict[str, tuple[int | None, int | None]]
    preference: int | None
    comment: str


@dataclass(frozen=True)
class CaseView:
    case_id: str
    specialty: str
    text: str
    reference_answer: str
    pairs: tuple[tuple[AnswerView, AnswerView], ...]
    given: tuple[Given, ...]


def cases_behind(made: Assessment, outcome: str, verdict: str = "") -> tuple[CaseValue, ...]:
    """The cases of one cell: those of an outcome, or only those won, tied or lost; largest difference first."""
    own = made.cases.get(outcome, ())
    chosen = [one for one in own if not verdict or one.verdict == verdict]
    return tuple(sorted(chosen, key=lambda one: (-abs(one.difference), one.case)))


def case_view(data: PackData, case_id: str) -> CaseView:
    """Raises `NotAllowed` before unblinding and `NotFound` for a case that nobody rated."""
    if not data.study.unblinded:
        raise NotAllowed(BLIND)
    pairs = [pair for pair in answer_pairs(data) if pair.case == case_id]
    known = next((case for case in data.cases if case.case_id == case_id), None)
    if not pairs or known is None:
        raise NotFound(f"The case {case_id} has no rated pair here. Choose another.")
    return CaseView(
        case_id=case_id,
        specialty=known.specialty,
        text=known.text,
        reference_answer=known.reference_answer,
        pairs=tuple((_answer(pair.baseline, data), _answer(pair.finetuned, data)) for pair in pairs),
        given=_given(data, case_id),
    )


def pieces(text: str, marks: Sequence[SpanRow]) -> tuple[Piece, ...]:
    """The text cut wherever a mark begins or ends. Marks beyond the text are cut off at its end."""
    inside = [mark for mark in marks if mark.start < mark.end and mark.start < len(text)]
    ends = sorted({0, len(text), *(mark.start for mark in inside), *(min(mark.end, len(text)) for mark in inside)})
    return tuple(
        Piece(text[start:end], tuple(mark for mark in inside if mark.start < end and start < mark.end))
        for start, end in zip(ends, ends[1:], strict=False)
    )


def _answer(row: GenerationRow, data: PackData) -> AnswerView:
    own = tuple(span for span in data.spans if span.generation_id == row.generation_id)
    by_target = {target: [span for span in own if span.target == target] for target in ("trace", "answer")}
    tokens = "" if row.answer_tokens is None else f"{row.thinking_tokens or 0:,} + {row.answer_tokens:,} tokens"
    return AnswerView(
        arm=Arm(row.arm),
        thinking=pieces(row.thinking_text, by_target["trace"]),
        answer=pieces(row.answer_text, by_target["answer"]),
        marks=own,
        tokens=tokens,
        note="Ended at the token budget." if row.finish_reason == "length" else "",
    )


def _given(data: PackData, case_id: str) -> tuple[Given, ...]:
    scores: dict[tuple[str, str], dict[str, dict[str, int | None]]] = defaultdict(lambda: defaultdict(dict))
    for row in data.ratings:
        if row.case_id == case_id and not row.superseded and row.item in list(SCALES):
            scores[row.rater_id, row.presentation_id][row.item][row.arm] = row.value
    compared = {
        (row.rater_id, row.presentation_id): row
        for row in data.pairs
        if row.case_id == case_id and row.axis == "overall" and not row.superseded
    }
    made = []
    for key in sorted({*scores, *compared}):
        pair = compared.get(key)
        made.append(
            Given(
                rater=key[0],
                scores={
                    axis: (arms.get(ARMS[0]), arms.get(ARMS[1])) for axis, arms in scores.get(key, {}).items()
                },
                preference=pair.pref_ft if pair else None,
                comment=pair.comment if pair else "",
            )
        )
    return tuple(made)
