"""How alike the axes are: Spearman's correlation by hand, and where there is none."""

from dataclasses import replace

import pytest

from medreason.stats.by_case import CaseValue
from medreason.stats.estimate import NA
from medreason.stats.halo import axis_correlations
from medreason.stats.judgements import Judgements
from medreason.stats.outcomes import AXIS_OUTCOMES
from medreason.stats.rows import Row, empty_row


def row(axis: int, scores: list[tuple[float, float]]) -> Row:
    cases = [
        CaseValue(f"c{n}", baseline, tuned, tuned - baseline, 0, 0, 1, "tie")
        for n, (baseline, tuned) in enumerate(scores)
    ]
    return replace(empty_row(Judgements(AXIS_OUTCOMES[axis], (), 0, 0, 0), "x"), cases=tuple(cases))


def test_ranks_of_answers_on_two_axes():
    up = [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0), (9.0, 10.0), (11.0, 12.0)]
    swapped = [(2.0, 1.0), *up[1:]]  # two neighbours of twelve change places: 1 − 6·2/(12·143)
    found = axis_correlations([row(0, up), row(1, swapped), row(2, [(-b, -f) for b, f in up])])
    assert found["D", "F"] == (pytest.approx(1 - 12 / (12 * 143)), 12)
    assert found["D", "H"][0] == pytest.approx(-1)


def test_few_cases_and_equal_scores_have_none():
    assert axis_correlations([row(0, [(1, 2)] * 5), row(1, [(1, 2)] * 5)])["D", "F"] == (
        NA("fewer than 6 cases"), 10,
    )  # fmt: skip
    equal = axis_correlations([row(0, [(1, 2)] * 6), row(1, [(3, 3)] * 6)])["D", "F"]
    assert equal == (NA("all scores on one axis are equal"), 12)
    assert axis_correlations([row(0, []), row(1, [])])["D", "F"] == (NA("not rated on both axes"), 0)
