"""Paired tests against full enumeration and against scipy, and what they refuse."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.stats.binary import mcnemar
from medreason.stats.estimate import NO_TEST
from medreason.stats.significance import Significance, mid_ranks, sign_flip, sign_test, wilcoxon

differences = st.lists(st.integers(-4, 4), min_size=6, max_size=11).map(np.array)


def enumerated(steps: np.ndarray, observed: float) -> float:
    sums = np.array(list(product((1, -1), repeat=len(steps)))) @ np.abs(steps)
    return float(np.mean(np.abs(sums) >= abs(observed) - 1e-9))


@settings(max_examples=20, deadline=None)
@given(differences, st.sampled_from([1, 3, 7]))
def test_sign_flip_is_the_share_of_sign_patterns(d, raters):
    d = d / raters
    test = sign_flip(d)
    assert test.p == pytest.approx(enumerated(d[d != 0], d.sum()) if d.any() else 1.0, abs=1e-12)
    assert sign_flip(-d).p == test.p and sign_flip(-d).statistic == -test.statistic
    assert sign_flip(d[::-1]) == test


@settings(max_examples=20, deadline=None)
@given(differences)
def test_wilcoxon_is_exact_with_ties_and_pratts_zeros(d):
    ranks = mid_ranks(d)
    signed = (np.sign(d) * ranks).sum()
    test = wilcoxon(d)
    assert test.p == pytest.approx(enumerated(ranks[d != 0], signed) if d.any() else 1.0, abs=1e-12)
    assert (wilcoxon(-d).p, wilcoxon(-d).statistic) == (test.p, test.statistic)


def test_wilcoxon_agrees_with_scipy_where_scipy_is_exact():
    from scipy import stats

    d = np.random.default_rng(2).normal(size=25) + 0.3
    theirs = stats.wilcoxon(d, method="exact")
    assert (wilcoxon(d).p, wilcoxon(d).statistic) == (pytest.approx(theirs.pvalue), theirs.statistic)


def test_sign_flip_stays_exact_beyond_twenty_cases_on_a_scale():
    from scipy import stats

    d = np.random.default_rng(4).integers(-3, 5, 60) / 3
    theirs = stats.permutation_test(
        (d,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True, n_resamples=9_999,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    test = sign_flip(d)
    assert test.method == "exact" and test.p == pytest.approx(theirs.pvalue, abs=0.006)


def test_the_four_ways_of_counting_agree():
    rng = np.random.default_rng(8)
    fine = np.round(rng.normal(size=20) + 0.4, 3)
    assert sign_flip(fine * np.pi).p == pytest.approx(sign_flip(fine).p, abs=2e-5)  # enumerated, by denominators
    some = rng.normal(size=40) + 0.3
    monte_carlo = sign_flip(some)
    assert monte_carlo.method == "Monte Carlo, 99,999 patterns" and monte_carlo == sign_flip(some[::-1])
    assert monte_carlo.p == pytest.approx(sign_flip(np.round(some, 2)).p, abs=0.004)
    many = rng.normal(size=1_500) + 0.05
    assert sign_flip(many).method == "normal approximation"
    assert sign_flip(many).p == pytest.approx(wilcoxon(many).p, abs=0.1)


def test_a_huge_difference_has_a_small_p_and_never_zero():
    for d in (np.ones(60), np.arange(1, 61) + 0.123456789, np.full(1_500, 0.7)):
        assert 0 <= sign_flip(d).p < 0.001
    assert sign_flip(np.ones(60)).p == pytest.approx(2.0**-59)
    assert sign_flip(np.sqrt(np.arange(1.0, 61))).p == pytest.approx(1e-5)


def test_fewer_than_six_cases_have_no_p():
    d = np.array([1.0, 2, 1, 3, 1])
    for test in (sign_flip(d), wilcoxon(d), mcnemar(np.sign(d)), sign_test(5, 0, 5)):
        assert (test.p, test.p_greater) == (NO_TEST, NO_TEST) and test.n_cases == 5
    assert sign_flip(np.ones(6)).p == wilcoxon(np.ones(6)).p == sign_test(6, 0, 6).p == 0.03125


@pytest.mark.parametrize("test", [sign_flip, wilcoxon, mcnemar])
def test_no_difference_at_all_has_p_one(test):
    found: Significance = test(np.zeros(8))
    assert (found.p, found.n_nonzero) == (1.0, 0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=6, max_size=25))
def test_mcnemar_is_the_sign_flip_of_yes_and_no(values):
    d = np.array(values)
    assert mcnemar(d).p == pytest.approx(sign_flip(d).p, abs=1e-12)
    assert mcnemar(-d).p == mcnemar(d).p
