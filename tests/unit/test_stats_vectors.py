"""Published and worked-out examples with known answers."""

import math

import numpy as np
import pytest

from medreason.stats.agreement import category_counts, gwet_ac, krippendorff_alpha, quadratic_weights
from medreason.stats.binary import mcnemar
from medreason.stats.bootstrap import Resampling
from medreason.stats.coefficients import coefficients
from medreason.stats.effects import hodges_lehmann, rank_biserial
from medreason.stats.estimate import Estimate
from medreason.stats.icc import FORMS, icc_features, icc_of
from medreason.stats.kappa import cohen_kappa, kappa_features, kappa_of
from medreason.stats.multiplicity import BENJAMINI_HOCHBERG, HOLM, adjusted
from medreason.stats.preference import bradley_terry, log_odds
from medreason.stats.shares import wilson
from medreason.stats.significance import rank_sums, sign_flip, sign_test, wilcoxon

POINTS = np.arange(1, 6)
QUICK = Resampling(n_boot=199)


def ratings(*raters: str) -> np.ndarray:
    """(n_units, n_raters) from one line a rater, a dot where missing."""
    return np.array([[math.nan if c == "." else float(c) for c in one.split()] for one in raters]).T


KRIPPENDORFF = ratings(
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
WIKIPEDIA = ratings(
    ". . . . . 3 4 1 2 1 1 3 3 . 3",
    "1 . 2 1 3 3 4 3 . . . . . . .",
    ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
)
# Drawn at random, with missing ratings; the answers are those of the packages krippendorff 0.9.0 and irrCAC 0.4.4.
DRAWN = ratings("4 4 . 3 . 3 4 3 5 1", "3 5 . . 2 . 3 2 3 .", ". 5 . 1 2 . 4 3 3 .", ". 4 3 . . . 4 3 3 1")
DARWIN = np.array([6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75], dtype=float)


@pytest.mark.parametrize(
    "values, metric, expected",
    [
        (KRIPPENDORFF, "nominal", 0.743421),
        (KRIPPENDORFF, "ordinal", 0.815388),
        (KRIPPENDORFF, "interval", 0.849107),
        (KRIPPENDORFF, "ratio", 0.797403),
        (WIKIPEDIA, "nominal", 0.691358),
        (WIKIPEDIA, "ordinal", 0.806721),
        (WIKIPEDIA, "interval", 0.810845),
        (DRAWN, "nominal", 0.325617),
        (DRAWN, "ordinal", 0.640120),
        (DRAWN, "interval", 0.637718),
        (DRAWN, "ratio", 0.637153),
    ],
)
def test_krippendorffs_alpha(values: np.ndarray, metric: str, expected: float):
    assert krippendorff_alpha(category_counts(values, POINTS), POINTS, metric) == pytest.approx(expected, abs=1e-6)


def test_gwets_coefficients_with_their_standard_errors():
    counts, k = category_counts(KRIPPENDORFF, POINTS), np.arange(5)
    first, second = gwet_ac(counts, np.eye(5)), gwet_ac(counts, quadratic_weights(5))
    assert (first.value, first.standard_error) == (
        pytest.approx(0.77544, abs=1e-5),
        pytest.approx(0.143, abs=1e-3),
    )
    assert second.value == pytest.approx(0.91400, abs=1e-5)
    assert second.standard_error == pytest.approx(0.10396, abs=1e-5)
    assert (second.observed, second.chance) == (pytest.approx(0.97538, abs=1e-5), pytest.approx(0.71370, abs=1e-5))
    linear = 1 - np.abs(k[:, None] - k[None, :]) / 4
    assert gwet_ac(counts, linear).value == pytest.approx(0.85874, abs=1e-5)
    mid = np.abs(k[:, None] - k[None, :]) + 1
    assert gwet_ac(counts, 1 - mid * (mid - 1) / 2 / 10).value == pytest.approx(0.89894, abs=1e-5)  # ordinal
    drawn = gwet_ac(category_counts(DRAWN, POINTS), quadratic_weights(5))
    assert (drawn.value, drawn.standard_error) == (pytest.approx(0.8030303), pytest.approx(0.12671144))


def test_kappa_of_a_table():
    table = np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    plain, error = cohen_kappa(table)
    assert (plain.value, error) == (pytest.approx(0.4842, abs=1e-4), pytest.approx(0.1380, abs=1e-4))
    assert (plain.low, plain.high) == (pytest.approx(0.2137, abs=1e-4), pytest.approx(0.7547, abs=1e-4))
    linear, error = cohen_kappa(table, "linear")
    assert (linear.value, error) == (pytest.approx(0.4701, abs=1e-4), pytest.approx(0.1457, abs=1e-4))
    assert cohen_kappa(table, "quadratic")[0].value == pytest.approx(0.450161, abs=1e-6)


def test_kappa_of_two_raters_of_anxiety():
    second, third = "36462424332333221334", "21443216111233113322"
    table = np.zeros((6, 6))
    for one, other in zip(second, third, strict=True):
        table[int(one) - 1, int(other) - 1] += 1
    used = table[np.ix_([0, 1, 2, 3, 5], [0, 1, 2, 3, 5])]  # nobody said 5, and the source has no such level
    found = [cohen_kappa(used, weights)[0].value for weights in (None, "linear", "quadratic")]
    assert found == pytest.approx([-0.006289308, 0.1459075, 0.2520325], abs=1e-7)
    levels = str.maketrans("6", "5")
    values = ratings(" ".join(second.translate(levels)), " ".join(third.translate(levels)))
    assert kappa_of(kappa_features(values).sum(axis=0)[None])[0] == pytest.approx(0.2520325, abs=1e-7)


def test_kappa_of_several_raters_with_missing_ratings():
    # Conger's kappa from irrCAC; units rated once take no part here, so they are left out of both.
    values = DRAWN[(~np.isnan(DRAWN)).sum(axis=1) >= 2]
    assert kappa_of(kappa_features(values).sum(axis=0)[None])[0] == pytest.approx(0.60157618)


def test_the_paradox_of_high_agreement_and_no_kappa():
    values = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [118, 5, 2], axis=0)
    both = coefficients(values, np.arange(125), np.array([0, 1]), QUICK)
    assert both.exact.value == pytest.approx(0.944)
    assert both.kappa.value == pytest.approx(-0.023392, abs=1e-6)
    assert both.ac2.value == pytest.approx(0.940776, abs=1e-6)


def test_fleiss_kappa_through_alpha():
    counts = np.array(
        [[int(n) for n in row.split()] for row in (
            "0 0 0 0 14; 0 2 6 4 2; 0 0 3 5 6; 0 3 9 2 0; 2 2 8 1 1; "
            "7 7 0 0 0; 3 2 6 3 0; 2 5 3 2 2; 6 5 2 1 0; 0 2 2 3 7"
        ).split(";")]
    )  # fmt: skip
    alpha = krippendorff_alpha(counts, POINTS, "nominal")
    # 1 − α = (1 − κ)(N − 1)/N for N ratings: alpha draws without replacement, Fleiss with.
    assert isinstance(alpha, float)
    assert 1 - (1 - alpha) * 140 / 139 == pytest.approx(0.20993, abs=1e-5)


def test_shrout_and_fleiss():
    values = ratings("9 6 8 7 10 6", "2 1 4 1 5 2", "5 3 6 2 6 4", "8 2 8 6 9 7")
    found = icc_of(icc_features(values).sum(axis=0)[None])[0]
    assert FORMS == ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")
    assert found == pytest.approx([0.1657, 0.2898, 0.7148, 0.4428, 0.6201, 0.9093], abs=1e-4)


def test_darwins_maize():
    signed, flipped = wilcoxon(DARWIN), sign_flip(DARWIN)
    assert (signed.statistic, signed.p) == (24, pytest.approx(0.041259765625, abs=1e-12))
    assert (rank_sums(DARWIN)[0], signed.p_greater) == (96, pytest.approx(0.0206298828125, abs=1e-12))
    assert rank_biserial(np.ones((1, 15)), DARWIN)[0] == pytest.approx(0.6)
    assert hodges_lehmann(DARWIN) == 25
    assert (flipped.p_greater, flipped.p) == (863 / 32768, pytest.approx(0.05267334, abs=1e-8))
    assert flipped.method == signed.method == "exact"


def test_hollander_and_wolfe():
    x = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    y = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    assert rank_sums(np.round(x - y, 9))[0] == 40
    test = wilcoxon(x - y)
    assert (test.p, test.p_greater) == (pytest.approx(0.0390625), pytest.approx(0.01953125))


def test_sign_test_of_eight_in_ten():
    assert sign_test(8, 2, 10).p == pytest.approx(0.109375)
    assert mcnemar(np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 30)).p == pytest.approx(0.109375)


def test_multiplicity():
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]  # noqa: E501  # fmt: skip
    named = {str(i): value for i, value in enumerate(p)}
    holm, bh = list(adjusted(named, HOLM).values()), list(adjusted(named, BENJAMINI_HOCHBERG).values())
    assert (sum(v < 0.05 for v in holm), sum(v < 0.05 for v in bh)) == (3, 4)
    assert holm[:4] == pytest.approx([0.0015, 0.0056, 0.0247, 0.1140])
    four = dict(zip("abcd", (0.01, 0.04, 0.03, 0.005), strict=True))
    assert list(adjusted(four, HOLM).values()) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_bradley_and_terry():
    wins = np.array([[0, 2, 0, 1], [3, 0, 5, 0], [0, 3, 0, 1], [4, 0, 3, 0]])
    assert bradley_terry(wins) == pytest.approx([0.640, 1.043, 0.660, 2.270], abs=1e-3)


def test_fourteen_wins_and_six_losses():
    share = wilson(14, 20)
    assert (share.low, share.high) == (pytest.approx(0.4810, abs=1e-4), pytest.approx(0.8545, abs=1e-4))
    odds = log_odds(Estimate(14 / 20, share.interval))
    assert odds.value == pytest.approx(0.847298, abs=1e-6)
    strengths = bradley_terry(np.array([[0, 14], [6, 0]]))
    assert math.log(strengths[0] / strengths[1]) == pytest.approx(0.847298, abs=1e-6)
    assert sign_test(14, 6, 20).p == pytest.approx(0.115318, abs=1e-6)
