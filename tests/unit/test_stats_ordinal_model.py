"""The secondary model: finds what was put in, mirrors swapped arms, and says why where it has no number."""

from dataclasses import replace

import numpy as np
import pytest

from medreason.domain.arms import ARMS, Arm, Side
from medreason.stats.estimate import Estimate, Interval
from medreason.stats.ordinal_model import ARM, ORDER, PHASE, SIDE, OrdinalModel, ordinal_models
from medreason.stats.records import RatingRecord

MODES = ("confirmatory",)
CUTS = (-2.0, -1.0, 0.5, 2.0)


def scores(n_cases: int = 40, n_raters: int = 3, arm: float = 1.0, side: float = 0.5, seed: int = 3):
    """Scores drawn from the model itself, with cases of their own difficulty."""
    rng = np.random.default_rng(seed)
    made = []
    for c in range(n_cases):
        hard = 0.4 * rng.normal()
        for r in range(n_raters):
            left = ARMS[int(rng.integers(2))]
            for one in ARMS:
                on = Side.LEFT if one is left else Side.RIGHT
                lead = arm * (0.5 if one is Arm.FINETUNED else -0.5) + side * (0.5 if on is Side.LEFT else -0.5)
                value = int(np.digitize(lead + hard + rng.logistic(), CUTS)) + 1
                made.append(RatingRecord(f"R{r}", f"c{c}", one, "D", value, side=on, case_position=c % 7 + 1))
    return made


def model(ratings) -> OrdinalModel:
    found = {one.axis: one for one in ordinal_models(ratings, MODES)}
    assert found["F"].reason == found["H"].reason == "no scores of this axis"
    return found["D"]


def test_it_finds_what_was_put_in_and_names_what_does_not_vary():
    found = model(scores(200))
    assert list(found.terms) == [ARM, SIDE, ORDER] and found.left_out == (PHASE,)
    assert (found.n_ratings, found.n_cases) == (1200, 200)
    for name, true in ((ARM, 1.0), (SIDE, 0.5), (ORDER, 0.0)):
        limits = found.terms[name].interval
        assert isinstance(limits, Interval) and limits.low < true < limits.high, name
    assert found.terms[ARM].low > 0.6


def test_it_agrees_with_a_cumulative_logit_fitted_by_likelihood():
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    ratings = scores(120, side=0.0)
    design = np.array([[0.5 if one.arm is Arm.FINETUNED else -0.5] for one in ratings])
    known = OrderedModel([one.value for one in ratings], design, distr="logit").fit(disp=False, method="bfgs")
    plain = [replace(one, side=None, case_position=None) for one in ratings]
    assert model(plain).terms[ARM].value == pytest.approx(known.params[0], abs=0.05)


def test_swapping_the_arms_turns_the_sign_and_names_and_order_change_nothing():
    ratings = scores(20)
    found = model(ratings).terms[ARM]
    other = {Arm.BASELINE: Arm.FINETUNED, Arm.FINETUNED: Arm.BASELINE}
    swapped = model([replace(one, arm=other[one.arm]) for one in ratings]).terms[ARM]
    assert swapped.value == pytest.approx(-found.value) and swapped.low == pytest.approx(-found.high)
    renamed = model([replace(one, case_id=f"z{99 - int(one.case_id[1:]):02d}") for one in reversed(ratings)])
    assert renamed.terms[ARM].value == pytest.approx(found.value) and renamed.terms[ARM].low == pytest.approx(
        found.low
    )


def test_both_phases_come_with_a_term_of_their_own_and_only_what_stands_counts():
    ratings = scores(12)
    before = [replace(one, phase="answer_only", value=max(1, (one.value or 1) - 1)) for one in ratings]
    found = model([*ratings, *before])
    shown = found.terms[PHASE]
    assert found.left_out == () and isinstance(shown.value, float) and shown.value > 0
    others = [
        *(replace(one, superseded=True, value=1) for one in ratings),
        *(replace(one, case_kind="repeat", value=1) for one in ratings),
        *(replace(one, mode="training", value=1) for one in ratings),
        *(replace(one, revision_no=0, value=1) for one in ratings),
    ]
    assert model([*others, *ratings]) == model(ratings)


@pytest.mark.parametrize(
    ("ratings", "reason"),
    [
        (scores(9), "fewer than 10 cases"),
        ([replace(one, value=4) for one in scores(12)], "all scores are equal"),
        ([replace(one, arm=Arm.BASELINE) for one in scores(12)], "cannot be told apart"),
        (
            [replace(one, side=Side.LEFT if one.arm is Arm.FINETUNED else Side.RIGHT) for one in scores(12)],
            "cannot be told apart",
        ),
        ([replace(one, value=5 if one.arm is Arm.FINETUNED else 1) for one in scores(12)], "does not converge"),
        ([replace(one, value=None) for one in scores(12)], "no scores"),
    ],
)
def test_where_there_is_no_number_there_is_a_reason(ratings, reason):
    found = model(ratings)
    assert found.terms == {} and reason in found.reason


def test_an_estimate_is_finite_and_says_how_its_interval_was_made():
    found = model(scores(10, 1)).terms[ARM]
    assert isinstance(found, Estimate) and found.method == "bias-reduced sandwich"
