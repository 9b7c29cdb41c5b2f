"""Intervals by resampling: against scipy, the rules of NA, and what must not matter."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medreason.errors import Invalid
from medreason.stats.bootstrap import Resampling, draws, estimates, means
from medreason.stats.effects import CaseMeans, Effects, effects, hodges_lehmann, rank_biserial
from medreason.stats.estimate import NA, Estimate, Interval, number
from medreason.stats.sensitivity import leave_one_rater_out, pigeonhole

QUICK = Resampling(n_boot=299)
PLAIN = Resampling(n_boot=9_999, expanded=False)


def interval(values: np.ndarray, resampling: Resampling = PLAIN) -> Interval:
    (made,) = estimates(values[:, None], means, resampling, "none")
    assert isinstance(made.interval, Interval)
    return made.interval


def skewed(n: int, seed: int = 3) -> np.ndarray:
    return np.round(np.random.default_rng(seed).exponential(size=n), 2)


@pytest.mark.parametrize("n", [20, 60])
def test_bca_agrees_with_scipy(n: int):
    from scipy import stats

    values = skewed(n)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=9_999, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    ours = interval(values)
    assert ours.method == "BCa"
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=(theirs.high - theirs.low) / 20)


def test_expanded_tails_are_wider_with_few_cases_and_hardly_with_many():
    widths = {}
    for n in (10, 200):
        plain, wide = interval(skewed(n)), interval(skewed(n), Resampling())
        widths[n] = (wide.high - wide.low) / (plain.high - plain.low)
    assert 1.1 < widths[10] < 1.4 and 1.0 < widths[200] < 1.03
    assert Resampling().tail(20) == pytest.approx(math.sqrt(20 / 19) * 2.093024)


def test_merging_equal_cases_gives_the_same_interval_within_the_draw():
    few = np.repeat([1.0, 2.0, 5.0], [20, 25, 15])
    apart = few + np.arange(60) * 1e-7
    assert draws((20, 25, 15), PLAIN).shape == (9_999, 3)
    merged, single = interval(few), interval(apart)
    assert (merged.low, merged.high) == pytest.approx((single.low, single.high), abs=0.06)


def test_fewer_than_ten_cases_have_no_interval():
    for n in (1, 9):
        (made,) = estimates(np.arange(float(n))[:, None], means, QUICK, "none")
        assert made.value == pytest.approx((n - 1) / 2) and made.interval == NA("fewer than 10 cases")
    assert isinstance(estimates(np.arange(10.0)[:, None], means, QUICK, "none")[0].interval, Interval)


def test_equal_cases_have_no_interval():
    (made,) = estimates(np.full((12, 1), 4.0), means, QUICK, "none")
    assert (made.value, made.interval) == (4.0, NA("no variation between cases"))


def ratio(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    top, bottom = (weights @ rows).T
    with np.errstate(invalid="ignore"):
        return np.where(bottom > 0, top / np.maximum(bottom, 1e-9), np.nan)[:, None]


def test_undefined_resamples_are_counted_and_too_many_give_na():
    rows = np.column_stack([np.arange(20) % 3, np.zeros(20)]).astype(float)
    rows[:5, 1] = (1, 2, 1, 3, 1)
    (some,) = estimates(rows, ratio, QUICK, "none")
    assert isinstance(some.interval, Interval) and some.interval.n_undefined >= 0
    rows[1:5, 1] = 0
    (most,) = estimates(rows, ratio, QUICK, "none")
    assert isinstance(most.interval, NA) and "undefined in 3" in most.interval.reason
    rows[0, 1] = 0
    (never,) = estimates(rows, ratio, QUICK, "nothing to divide by")
    assert never == Estimate.missing("nothing to divide by")


def test_percentile_where_bca_is_degenerate():
    """A statistic at the end of its distribution has no bias correction; the interval says percentile."""
    rows = np.arange(12.0)[:, None]

    def largest(weights: np.ndarray, merged: np.ndarray) -> np.ndarray:
        return np.where(weights > 0, merged[:, 0], -1).max(axis=1)[:, None] - 1e-6 * weights.max(axis=1)[:, None]

    (made,) = estimates(rows, largest, QUICK, "none")
    assert made.method == "percentile"


def test_the_seed_decides_and_nothing_else():
    values = skewed(25)
    shuffled = np.random.default_rng(0).permutation(values)
    assert interval(values, QUICK) == interval(shuffled, QUICK)
    assert interval(values, QUICK) != interval(values, Resampling(299, seed=2))


def test_numbers_are_checked():
    assert number(math.nan, "why") == number(math.inf, "why") == NA("why")
    for broken in (lambda: Estimate(math.nan, NA("x")), lambda: Interval(0, math.inf, "BCa"), lambda: NA("")):
        with pytest.raises(ValueError):
            broken()
    with pytest.raises(Invalid, match="resamples"):
        Resampling(n_boot=3)


def test_walsh_averages_in_full():
    d = np.array([1, 1, 2, -1, 0, 3.5, 1])
    pairs = [(a + b) / 2 for i, a in enumerate(d) for b in d[i:]]
    assert hodges_lehmann(d) == pytest.approx(float(np.median(pairs)))
    assert hodges_lehmann(np.array([])) == NA("no case was judged on both arms")


def test_rank_biserial_by_weights_is_that_of_the_repeated_cases():
    d, weights = np.array([2.0, -1, 0, 1, -3]), np.array([[1, 3, 2, 0, 1]])
    repeated = np.repeat(d, weights[0])
    assert rank_biserial(weights, d)[0] == pytest.approx(rank_biserial(np.ones((1, 7)), repeated)[0])
    assert math.isnan(rank_biserial(np.ones((1, 3)), np.zeros(3))[0])


def made_of(d: np.ndarray, total: np.ndarray, direction: int = 1) -> Effects:
    b, f = (total - d) / 2, (total + d) / 2
    return effects(CaseMeans(b, f, (b >= 4) * 1.0, (f >= 4) * 1.0, (d > 0) + (d == 0) / 2, direction), QUICK)


cases = st.integers(1, 16).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-8, 8), min_size=n, max_size=n), st.lists(st.integers(2, 10), min_size=n, max_size=n)
    )
)


@settings(max_examples=25, deadline=None)
@given(cases)
@example(([0] * 6 + [8] * 5, [2] * 11))  # 20/11: rounding must not move the resamples equal to it aside
def test_swapping_the_arms_mirrors_every_effect(drawn):
    d, total = (np.array(one) / 2 for one in drawn)
    one, other = made_of(d, total), made_of(-d, total)
    assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
    for name, centre in (
        ("difference", 0),
        ("best_difference", 0),
        ("rank_biserial", 0),
        ("prob_superiority", 0.5),
    ):
        ours, theirs = getattr(one, name), getattr(other, name)
        if isinstance(ours.value, NA):
            assert ours == theirs
            continue
        assert theirs.value == pytest.approx(2 * centre - ours.value, abs=1e-9)
        # The draw is the same one unless the differences are too symmetric to tell the arms apart by them.
        if isinstance(ours.interval, Interval) and (d.sum() or (d**3).sum()):
            mirrored = (2 * centre - theirs.high, 2 * centre - theirs.low)
            assert (ours.low, ours.high) == pytest.approx(mirrored, abs=1e-9)
    assert other.hodges_lehmann == pytest.approx(-one.hodges_lehmann, abs=1e-9)
    assert other.baseline_mean.value == one.finetuned_mean.value


@settings(max_examples=25, deadline=None)
@given(cases, st.sampled_from([1, -1]))
def test_no_effect_is_ever_nan_and_shares_are_shares(drawn, direction):
    d, total = (np.array(one) / 2 for one in drawn)
    made = made_of(d, total, direction)
    for name, one in vars(made).items():
        if isinstance(one, Estimate) and not isinstance(one.value, NA):
            assert math.isfinite(one.value)
            if isinstance(one.interval, Interval):
                assert one.low <= one.high and math.isfinite(one.low) and math.isfinite(one.high)
                if name in ("prob_superiority", "baseline_best", "finetuned_best"):
                    assert 0 <= one.low <= one.high <= 1
    assert made.wins + made.ties + made.losses == len(d)
    assert (len(d) < 10) <= isinstance(made.difference.interval, NA)


def test_lower_is_better_turns_what_means_better():
    d, total = np.array([1.0, 1, -1, 1]), np.full(4, 6.0)
    up, down = made_of(d, total), made_of(d, total, -1)
    assert up.difference == down.difference
    assert (up.wins, down.wins) == (3, 1)
    assert (up.prob_superiority.value, down.prob_superiority.value) == (0.75, 0.25)
    assert up.rank_biserial.value == -down.rank_biserial.value == 0.5


def test_leaving_a_rater_out():
    d = np.array([[1.0, 3.0], [np.nan, 1.0]])
    assert leave_one_rater_out(d) == (1.0, 2.0)
    assert leave_one_rater_out(d[:, :1]) == NA("one rater only")


def test_drawing_raters_too_widens_the_interval():
    rng = np.random.default_rng(5)
    d = rng.normal(size=(30, 1)) * 0.2 + rng.normal(size=(1, 4)) + 0.5
    both = pigeonhole(d, QUICK)
    cases_only = interval(d.mean(axis=1), QUICK)
    assert isinstance(both, Interval) and both.high - both.low > 2 * (cases_only.high - cases_only.low)
    assert isinstance(pigeonhole(d[:9], QUICK), NA) and isinstance(pigeonhole(d[:, :2], QUICK), NA)


def test_importing_the_evaluation_loads_neither_scipy_nor_pandas():
    code = (
        "import sys, medreason.stats.evaluation, medreason.stats.columns, medreason.stats.planning;"
        "print([m for m in ('scipy', 'pandas', 'statsmodels') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
