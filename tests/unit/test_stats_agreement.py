"""Agreement: known behaviour at the edges, and what must not matter."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.stats.agreement import category_counts, gwet_ac, krippendorff_alpha, quadratic_weights
from medreason.stats.bootstrap import Resampling
from medreason.stats.coefficients import Coefficients, by_cluster, coefficients
from medreason.stats.estimate import NA, Estimate, Interval
from medreason.stats.icc import crossed
from medreason.stats.kappa import cohen_kappa

POINTS = np.arange(1, 6)
QUICK = Resampling(n_boot=99)
NAMES = ("alpha", "ac2", "exact", "within_one", "kappa", "icc_2_1", "icc_2_k")


def of(values: np.ndarray, per_case: int = 1) -> Coefficients:
    return coefficients(values, np.arange(len(values)) // per_case, POINTS, QUICK)


def scores(n: int, raters: int, seed: int = 0, noise: float = 0.7) -> np.ndarray:
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=(n, 1))
    return np.clip(np.round(3 + quality + noise * rng.normal(size=(n, raters))), 1, 5)


def test_together_they_are_what_each_is_alone():
    values = scores(14, 4)
    values[[1, 5, 6], [0, 3, 3]] = math.nan
    made, counts = of(values), category_counts(values, POINTS)
    assert made.alpha.value == pytest.approx(krippendorff_alpha(counts, POINTS))
    assert made.ac2.value == pytest.approx(gwet_ac(counts, quadratic_weights(5)).value)
    assert (made.n_units, made.n_raters) == (14, 4)
    whole = of(scores(14, 4))
    pairs = [(one, other) for row in scores(14, 4) for i, one in enumerate(row) for other in row[:i]]
    assert whole.exact.value == pytest.approx(np.mean([one == other for one, other in pairs]))
    assert whole.within_one.value == pytest.approx(np.mean([abs(one - other) <= 1 for one, other in pairs]))
    assert isinstance(made.icc_2_1.value, NA) and isinstance(whole.icc_2_1.value, float)


def test_icc_agrees_with_an_analysis_of_variance():
    values = scores(12, 3)
    grand, rows, columns = values.mean(), values.mean(axis=1), values.mean(axis=0)
    msr = 3 * ((rows - grand) ** 2).sum() / 11
    msc = 12 * ((columns - grand) ** 2).sum() / 2
    mse = ((values - rows[:, None] - columns[None, :] + grand) ** 2).sum() / 22
    made = of(values)
    assert made.icc_2_1.value == pytest.approx((msr - mse) / (msr + 2 * mse + 3 * (msc - mse) / 12))
    assert made.icc_2_k.value == pytest.approx((msr - mse) / (msr + (msc - mse) / 12))
    assert crossed(values) and not crossed(values[:1]) and not crossed(values[:, :1])


def test_all_equal_ratings_have_no_alpha_but_a_percentage():
    made = of(np.full((12, 3), 5.0))
    for name in ("alpha", "kappa", "icc_2_1", "icc_2_k"):
        assert getattr(made, name).value == NA("the ratings do not vary enough")
    assert (made.exact.value, made.ac2.value) == (1.0, 1.0)
    assert made.exact.interval == NA("no variation between cases")
    assert isinstance(cohen_kappa(np.diag([0, 9]))[1], NA)


def test_one_rater_has_no_agreement():
    alone = of(np.array([[1.0, math.nan], [math.nan, 2.0]] * 6))
    assert alone == Coefficients.missing("no answer was rated by two raters") and alone.n_units == 0
    assert krippendorff_alpha(category_counts(np.array([[1.0]]), POINTS), POINTS) == NA(
        "no answer was rated by two raters"
    )


def test_a_rating_outside_the_scale_is_refused():
    with pytest.raises(ValueError, match="outside"):
        category_counts(np.array([[0.0, 1.0]]), POINTS)


def test_intervals_come_from_cases_not_from_answers():
    values = scores(8, 3)
    assert isinstance(of(values).alpha.interval, NA)
    twice = np.repeat(values, 2, axis=0)
    assert isinstance(of(twice, per_case=2).alpha.interval, NA)
    assert isinstance(of(twice, per_case=1).alpha.interval, Interval)
    assert of(twice, per_case=2).exact.value == of(values).exact.value


def test_sums_by_case():
    sums = by_cluster(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]))
    assert sums.tolist() == [[2.0], [5.0]]


grids = st.tuples(st.integers(2, 12), st.integers(2, 4)).flatmap(
    lambda shape: st.lists(
        st.lists(st.sampled_from([math.nan, 1.0, 2.0, 3.0, 4.0, 5.0]), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@settings(max_examples=20, deadline=None)
@given(grids, st.randoms())
def test_names_of_raters_and_order_of_answers_change_nothing_and_nothing_is_nan(rows, random):
    values = np.array(rows)
    raters, order = list(range(values.shape[1])), list(range(len(values)))
    random.shuffle(raters)
    random.shuffle(order)
    made, other = of(values), of(values[order][:, raters])
    for name in NAMES:
        one, same = getattr(made, name), getattr(other, name)
        if isinstance(one.value, NA):
            assert one.value == same.value
        else:
            assert math.isfinite(one.value) and same.value == pytest.approx(one.value, abs=1e-8)
            assert one.value <= 1
    for name in ("alpha", "ac2", "exact", "within_one"):  # these do not know who rated: the same interval, too
        one, same = getattr(made, name).interval, getattr(other, name).interval
        if isinstance(one, Interval):
            assert (same.low, same.high) == pytest.approx((one.low, one.high), abs=1e-8) and one.high <= 1


def test_more_noise_less_agreement():
    close, wide = of(scores(60, 3, noise=0.3)), of(scores(60, 3, noise=1.5))
    for name in NAMES:
        one, other = getattr(close, name), getattr(wide, name)
        assert isinstance(one, Estimate) and one.value > other.value and one.low > other.low
