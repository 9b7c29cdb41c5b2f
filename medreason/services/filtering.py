"""A part of the ratings, and a sentence that says what was left out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from medreason.domain.pack import PackData, PairRow, RatingRow
from medreason.services.in_words import listed
from medreason.services.reading import counted

PHASES = {"answer_only": "before the thinking was shown", "with_trace": "with the thinking shown"}
NO_SPECIALTY = "not named"


@dataclass(frozen=True)
class Filters:
    """Empty or 0: everything. `confidence`: at least so sure, of 5."""

    specialty: str = ""
    rater: str = ""
    confidence: int = 0
    phase: str = ""

    def __bool__(self) -> bool:
        return bool(self.specialty or self.rater or self.confidence or self.phase)


@dataclass(frozen=True)
class Choices:
    """What can be chosen in these data; a list of one leaves nothing to choose."""

    specialties: tuple[str, ...]
    raters: tuple[str, ...]
    confidences: tuple[int, ...]
    phases: tuple[str, ...]


def choices(data: PackData) -> Choices:
    specialties = _specialties(data)
    return Choices(
        specialties=tuple(sorted({specialties.get(row.case_id, NO_SPECIALTY) for row in data.ratings})),
        raters=tuple(sorted({row.rater_id for row in data.ratings})),
        confidences=tuple(sorted({row.confidence for row in data.ratings if row.confidence})),
        phases=tuple(phase for phase in PHASES if any(row.phase == phase for row in data.ratings)),
    )


def filtered(data: PackData, filters: Filters) -> PackData:
    """The ratings, comparisons and marks that pass; cases, answers and events stay."""
    if not filters:
        return data
    specialties = _specialties(data)

    def passes(rater: str, case: str) -> bool:
        return (not filters.rater or rater == filters.rater) and (
            not filters.specialty or specialties.get(case, NO_SPECIALTY) == filters.specialty
        )

    lowest: dict[tuple[str, str, str], int] = {}
    said: Iterable[RatingRow | PairRow] = (*data.ratings, *data.pairs)
    for one in said:
        if one.confidence is not None:
            showing = (one.rater_id, one.case_id, one.presentation_id)
            lowest[showing] = min(lowest.get(showing, one.confidence), one.confidence)

    def sure(row: RatingRow | PairRow) -> bool:
        """How sure a rater was is asked once a showing, at its end, and holds for all that was said of it."""
        return not filters.confidence or (
            lowest.get((row.rater_id, row.case_id, row.presentation_id), 0) >= filters.confidence
        )

    return replace(
        data,
        ratings=tuple(
            row
            for row in data.ratings
            if passes(row.rater_id, row.case_id)
            and sure(row)
            and (not filters.phase or row.phase == filters.phase)
        ),
        pairs=tuple(row for row in data.pairs if passes(row.rater_id, row.case_id) and sure(row)),
        spans=tuple(row for row in data.spans if passes(row.rater_id, row.case_id)),
    )


def left_out(whole: PackData, part: PackData, filters: Filters) -> str:
    """What the filters leave out, in one sentence; empty where nothing is filtered."""
    if not filters:
        return ""
    kept = []
    if filters.specialty:
        kept.append(f"cases of {filters.specialty}")
    if filters.rater:
        kept.append(f"ratings by {filters.rater}")
    if filters.confidence:
        kept.append(f"ratings with a confidence of {filters.confidence} or more")
    if filters.phase:
        kept.append(f"scores given {PHASES[filters.phase]}")
    scores = len(whole.ratings) - len(part.ratings)
    cases = whole.rated_cases - part.rated_cases
    return (
        f"Only {listed(kept)}. Left out: {counted(scores, 'score')} of {len(whole.ratings):,} and "
        f"{counted(cases, 'case')} of {whole.rated_cases:,}. A table of a part was not planned: read it as a hint."
    )


def _specialties(data: PackData) -> dict[str, str]:
    named = {row.case_id: row.case_specialty for row in data.ratings if row.case_specialty}
    return named | {case.case_id: case.specialty for case in data.cases if case.specialty}
