"""Whether raters told the axes apart: one good or bad impression of an answer can colour all of its scores."""

from collections.abc import Sequence
from itertools import combinations

from medreason.stats.estimate import FEW_FOR_TEST, NA, NO_TEST, Number
from medreason.stats.rows import Row

NOT_BOTH = NA("not rated on both axes")
ALL_EQUAL = NA("all scores on one axis are equal")


def axis_correlations(rows: Sequence[Row]) -> dict[tuple[str, str], tuple[Number, int]]:
    """Spearman's rank correlation of the mean scores that answers got on two axes, with the number of answers, for
    each two of `rows`. NA below six cases."""
    return {(one.outcome.id, other.outcome.id): _between(one, other) for one, other in combinations(rows, 2)}


def _between(one: Row, other: Row) -> tuple[Number, int]:
    first, second = ({case.case: (case.baseline, case.finetuned) for case in row.cases} for row in (one, other))
    both = sorted(first.keys() & second.keys())
    scores = [[value or 0.0 for case in both for value in given[case]] for given in (first, second)]
    n = 2 * len(both)
    if not both:
        return NOT_BOTH, n
    if len(both) < FEW_FOR_TEST:
        return NO_TEST, n
    if any(len(set(some)) < 2 for some in scores):
        return ALL_EQUAL, n
    from scipy.stats import spearmanr

    return float(spearmanr(*scores).statistic), n
