"""How good the ratings are: repeats by the same rater, planted errors, two samples of one arm."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medreason.domain.arms import ARMS, Side
from medreason.stats.bootstrap import Resampling
from medreason.stats.coefficients import Coefficients, coefficients
from medreason.stats.estimate import NA, Estimate, Number
from medreason.stats.outcomes import AXIS_OUTCOMES, Outcome
from medreason.stats.preference import SideBias
from medreason.stats.records import (
    CANNOT_VERIFY,
    PHASES,
    PLANTED,
    REPEAT,
    SAME_ARM,
    STUDY,
    PairRecord,
    PlantedError,
    SpanRecord,
)
from medreason.stats.shares import wilson
from medreason.stats.showings import Showing
from medreason.stats.sides import sides_of_pairs

NO_REPEATS = NA("no case was shown twice")
NOTHING_PLANTED = "no planted errors were shown"
NO_SAME_ARM = NA("no pair of two samples of one arm was shown")


@dataclass(frozen=True)
class RaterQuality:
    """One rater: cases and showings rated, share of planted errors found, passages marked as invented or wrong,
    share of repeated scores that came out the same and within one, and the mean gap between two samples of one
    arm, in points."""

    rater: str
    n_cases: int
    n_showings: int
    planted_found: Estimate
    n_planted: int
    n_marked: int
    repeat_exact: Number
    repeat_within_one: Number
    n_repeats: int
    same_arm_gap: Number


@dataclass(frozen=True)
class Shown:
    """One planted error: the raters of whom a mark touches it, and those who were shown it and marked elsewhere or
    not at all."""

    error: PlantedError
    found_by: tuple[str, ...]
    missed_by: tuple[str, ...]


@dataclass(frozen=True)
class Quality:
    """`planted`: every planted error in the order given. `repeats` by axis: agreement of raters with themselves,
    over all raters. `same_arm_bias` is the side bias on pairs of two samples of one arm, where neither is
    better."""

    raters: tuple[RaterQuality, ...]
    planted: tuple[Shown, ...]
    repeats: Mapping[str, Coefficients]
    same_arm_bias: SideBias


@dataclass(frozen=True)
class _Twice:
    rater: str
    case: str
    axis: str
    first: float
    again: float


def quality(
    showings: Sequence[Showing],
    pairs: Iterable[PairRecord],
    spans: Sequence[SpanRecord],
    planted: Iterable[PlantedError],
    resampling: Resampling,
) -> Quality:
    """Everything about the raters; controls and repeats enter here and nowhere else."""
    twice = _repeated(showings)
    shown = _planted_found(showings, spans, planted)
    found: dict[str, list[bool]] = defaultdict(list)
    for error in shown:
        for rater in (*error.found_by, *error.missed_by):
            found[rater].append(rater in error.found_by)
    gaps = _same_arm_gaps(showings)
    marked = Counter(span.rater_id for span in spans if span.is_hallucination)
    by_rater: dict[str, list[Showing]] = defaultdict(list)
    for showing in showings:
        by_rater[showing.rater].append(showing)
    repeated: dict[str, list[_Twice]] = defaultdict(list)
    for one in twice:
        repeated[one.rater].append(one)
    return Quality(
        raters=tuple(
            _rater(rater, own, found.get(rater, []), repeated[rater], gaps.get(rater, []), marked[rater])
            for rater, own in sorted(by_rater.items())
        ),
        planted=shown,
        repeats={axis.id: _repeats(axis, twice, resampling) for axis in AXIS_OUTCOMES},
        same_arm_bias=sides_of_pairs(one for one in pairs if one.case_kind == SAME_ARM),
    )


def _rater(
    rater: str,
    own: Sequence[Showing],
    found: Sequence[bool],
    twice: Sequence[_Twice],
    gaps: Sequence[float],
    marked: int,
) -> RaterQuality:
    apart = [abs(one.first - one.again) for one in twice]
    study = [one for one in own if one.case_kind == STUDY]
    return RaterQuality(
        rater=rater,
        n_cases=len({one.case for one in study}),
        n_showings=len(own),
        planted_found=wilson(sum(found), len(found)) if found else Estimate.missing(NOTHING_PLANTED),
        n_planted=len(found),
        n_marked=marked,
        repeat_exact=sum(gap < 1e-9 for gap in apart) / len(apart) if apart else NO_REPEATS,
        repeat_within_one=sum(gap < 1 + 1e-9 for gap in apart) / len(apart) if apart else NO_REPEATS,
        n_repeats=len(apart),
        same_arm_gap=sum(gaps) / len(gaps) if gaps else NO_SAME_ARM,
    )


def _repeated(showings: Sequence[Showing]) -> list[_Twice]:
    """Scores that a rater gave to the same answer twice, in the same phase. Where a case has several pairs of
    answers the repeat is compared with its own."""
    firsts: dict[tuple[str, str], list[Showing]] = defaultdict(list)
    for showing in showings:
        if showing.case_kind == STUDY:
            firsts[showing.rater, showing.case].append(showing)
    twice = []
    for showing in showings:
        there = firsts[showing.rater, showing.repeat_of or showing.case]
        same = [one for one in there if one.texts == showing.texts]
        original = same[0] if same else there[0] if len(there) == 1 else None
        if showing.case_kind != REPEAT or original is None:
            continue
        for outcome in AXIS_OUTCOMES:
            for phase in PHASES:
                for arm in ARMS:
                    before, after = original.of(outcome.id, phase, arm), showing.of(outcome.id, phase, arm)
                    values = [one.value for one in (*before, *after)]
                    if len(before) == len(after) == 1 and values[0] is not None and values[1] is not None:
                        twice.append(_Twice(showing.rater, original.case, outcome.id, values[0], values[1]))
    return twice


def _repeats(axis: Outcome, twice: Sequence[_Twice], resampling: Resampling) -> Coefficients:
    """First and second time stand for two raters."""
    own = [one for one in twice if one.axis == axis.id]
    if not own:
        return Coefficients.missing(NO_REPEATS.reason)
    values = np.array([(one.first, one.again) for one in own], dtype=float)
    cases = {case: index for index, case in enumerate(sorted({one.case for one in own}))}
    cluster = np.array([cases[one.case] for one in own], dtype=int)
    return coefficients(values, cluster, np.array(axis.categories), resampling)


def _planted_found(
    showings: Sequence[Showing], spans: Iterable[SpanRecord], planted: Iterable[PlantedError]
) -> tuple[Shown, ...]:
    """Each planted error by itself, also where one text holds several."""
    marks: dict[tuple[str, str, str], list[SpanRecord]] = defaultdict(list)
    for span in spans:
        if span.basis != CANNOT_VERIFY:
            marks[(span.rater_id, span.case_id, str(span.arm))].append(span)
    raters: dict[str, set[str]] = defaultdict(set)
    for showing in showings:
        if showing.case_kind == PLANTED:
            raters[showing.case].add(showing.rater)

    def found(error: PlantedError, rater: str) -> bool:
        own = marks[(rater, error.case_id, str(error.arm))]
        return any(span.overlaps(error.target, error.start, error.end) for span in own)

    made = []
    for error in planted:
        there = sorted(raters[error.case_id])
        hit = [rater for rater in there if found(error, rater)]
        made.append(Shown(error, tuple(hit), tuple(rater for rater in there if rater not in hit)))
    return tuple(made)


def _same_arm_gaps(showings: Sequence[Showing]) -> dict[str, list[float]]:
    """Points between the two sides, over the axes, where both sides are samples of one arm."""
    gaps: dict[str, list[float]] = defaultdict(list)
    for showing in showings:
        if showing.case_kind != SAME_ARM:
            continue
        for outcome in AXIS_OUTCOMES:
            for phase in PHASES:
                left, right = (
                    [one.value for one in showing.on_side(outcome.id, side) if one.phase == phase and one.value]
                    for side in (Side.LEFT, Side.RIGHT)
                )
                if left and right:
                    gaps[showing.rater].append(abs(sum(left) / len(left) - sum(right) / len(right)))
    return gaps
