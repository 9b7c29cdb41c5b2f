"""Whether raters marked the same passages, and called them the same.

Character-level F1 (the share of marked characters that two raters have in common; Dice 1945, Ecology 26:297)
and kappa of the types of passages that overlap. Only answers that two raters searched count: a rater who
ticked "none found" marked nothing there, a rater who did neither is missing. Passages that could only not be
verified, and omissions, which have no place, take no part.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from medreason.stats.bootstrap import Resampling, estimates, sums
from medreason.stats.estimate import Estimate
from medreason.stats.records import STUDY, TICK, RatingRecord, SpanRecord

TARGETS = ("trace", "answer")
NOT_TWICE = "no answer was searched by two raters"
NOTHING_MARKED = "nobody marked a passage in an answer that two raters searched"
NO_OVERLAP = "no two raters marked passages that overlap"
ONE_TYPE = "all overlapping passages are of one type"

Place = tuple[str, str, str]
"""Case, arm and answer."""


@dataclass(frozen=True)
class SpanAgreement:
    """F1 over characters, kappa over the types of `n_overlaps` pairs of overlapping passages, from `n_answers`
    answers that at least two of `n_raters` raters searched."""

    f1: Estimate
    type_kappa: Estimate
    n_answers: int
    n_overlaps: int
    n_raters: int


def span_agreement(
    ratings: Iterable[RatingRecord],
    spans: Iterable[SpanRecord],
    modes: Sequence[str],
    resampling: Resampling,
) -> SpanAgreement:
    """Over all pairs of raters and all answers of the study that both searched; intervals resample cases."""
    searched = _searched(ratings, modes)
    marks: dict[tuple[Place, str], list[SpanRecord]] = defaultdict(list)
    for span in spans:
        place = (span.case_id, str(span.arm), span.generation_id)
        if span.case_kind not in ("", STUDY) or not span.is_hallucination:
            continue
        if (place, span.rater_id) in searched:
            marks[place, span.rater_id].append(span)
    raters: dict[Place, list[str]] = defaultdict(list)
    for place, rater in sorted(searched):
        # Whoever marked something has searched, too; whoever only looked has to have ticked it.
        if marks.get((place, rater)) or searched[place, rater]:
            raters[place].append(rater)
    twice = {place: own for place, own in raters.items() if len(own) > 1}
    n_raters = len({rater for own in twice.values() for rater in own})
    if not twice:
        return SpanAgreement(Estimate.missing(NOT_TWICE), Estimate.missing(NOT_TWICE), 0, 0, 0)
    types = sorted({span.type for own in marks.values() for span in own})
    rows, cases = [], []
    for place, own in twice.items():
        for one, other in combinations(own, 2):
            first, second = marks.get((place, one), []), marks.get((place, other), [])
            rows.append([*_characters(first, second), *_types(first, second, types)])
            cases.append(place[0])
    features = _by_case(np.array(rows, dtype=float), cases)
    f1, kappa = _estimates(features, len(types), resampling)
    overlaps = round(float(features[:, 2:].sum()) / 2)
    return SpanAgreement(f1, kappa, len(twice), overlaps, n_raters)


def _searched(ratings: Iterable[RatingRecord], modes: Sequence[str]) -> dict[tuple[Place, str], bool]:
    """Every answer of the study that a rater was shown, and whether the rater ticked that nothing was found."""
    found: dict[tuple[Place, str], bool] = {}
    for one in ratings:
        if one.superseded or one.mode not in modes or one.case_kind != STUDY:
            continue
        key = ((one.case_id, str(one.arm), one.generation_id), one.rater_id)
        found[key] = found.get(key, False) or (one.item == TICK and one.value == 1)
    return found


def _characters(first: Sequence[SpanRecord], second: Sequence[SpanRecord]) -> tuple[float, float]:
    """Characters in common, and characters of both together."""
    common = total = 0
    for target in TARGETS:
        one, other = (
            {at for span in some if span.target == target for at in range(span.start, span.end)}
            for some in (first, second)
        )
        common += len(one & other)
        total += len(one) + len(other)
    return common, total


def _types(first: Sequence[SpanRecord], second: Sequence[SpanRecord], types: Sequence[str]) -> list[float]:
    """Counts of types against types, flattened; each pair of passages counts in both orders, because neither
    rater comes first. A passage is paired with the one that shares most characters with it."""
    counts = np.zeros((len(types), len(types)))
    paired = set()
    for one in first:
        shared = [(_shared(one, other), -index) for index, other in enumerate(second)]
        most, at = max(shared, default=(0, 0))
        if most > 0:
            paired.add((one.type, second[-at].type, one.target, one.start, one.end))
    for one_type, other_type, *_ in paired:
        a, b = types.index(one_type), types.index(other_type)
        counts[a, b] += 1
        counts[b, a] += 1
    return [float(count) for count in counts.ravel()]


def _shared(one: SpanRecord, other: SpanRecord) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start)) if one.target == other.target else 0


def _by_case(rows: np.ndarray, cases: Sequence[str]) -> np.ndarray:
    place = {case: index for index, case in enumerate(sorted(set(cases)))}
    made = np.zeros((len(place), rows.shape[1]))
    np.add.at(made, [place[case] for case in cases], rows)
    return made


def _estimates(features: np.ndarray, q: int, resampling: Resampling) -> tuple[Estimate, Estimate]:
    def f1(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        common, total = sums(weights, rows[:, :2]).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(total > 0, 2 * common / total, np.nan)[:, None]

    def kappa(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        counts = sums(weights, rows[:, 2:]).reshape(-1, q, q)
        n = counts.sum(axis=(1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = counts.sum(axis=2) / n[:, None]
            observed = np.trace(counts, axis1=1, axis2=2) / n
            expected = (share**2).sum(axis=1)
            return np.where(expected < 1 - 1e-9, (observed - expected) / (1 - expected), np.nan)[:, None]

    (first,) = estimates(features, f1, resampling, NOTHING_MARKED)
    if not features[:, 2:].any():
        return first, Estimate.missing(NO_OVERLAP)
    (second,) = estimates(features, kappa, resampling, ONE_TYPE)
    return first, second
