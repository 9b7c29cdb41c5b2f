"""Paired tests: exact sign-flip, Wilcoxon signed-rank with Pratt's zeros, sign test.

Each takes one difference a case and counts sign patterns. The exact distribution of Σ ±a over all 2^k
patterns is built by adding one case after the other (the generating function of Pagano & Tritchler 1983,
JASA 78:435), so it stays exact with ties, zeros and well beyond 20 cases, where software commonly turns to
a normal approximation without saying so. `method` always says what was done.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from medreason.stats.estimate import FEW_FOR_TEST, NO_TEST, Number

N_FLIPS = 99_999
EXACT_WORK = 30_000_000
ENUMERATED = 20
MOST_FLIPPED = 1_000
LARGEST_DENOMINATOR = 1_000
FINEST_UNIT = 1_000_000
TINY = 1e-9
NORMAL = "normal approximation"


@dataclass(frozen=True)
class Significance:
    """A test's name and method, its statistic, the two-sided p and the one-sided p against "greater"."""

    test: str
    method: str
    statistic: Number
    p: Number
    p_greater: Number
    n_cases: int
    n_nonzero: int


def sign_flip(differences: np.ndarray, seed: int = 1905) -> Significance:
    """Fisher's randomisation test (The Design of Experiments, 1935, section 21): statistic T = Σ d.

    `differences` is (n_cases,), no NaN. p is the share of sign patterns with |T*| ≥ |T|; 1 where every
    difference is 0. Exact where the differences are fractions of a common denominator (means of a few
    whole numbers are) or at most 20 are not zero; else 99,999 random patterns, or beyond 1,000 differences the
    normal approximation, which is then nearer than those. Fewer than six cases: no p.
    """
    d = _cleaned(differences)
    nonzero = d[d != 0]
    total = round(float(np.sum(differences)), 9) + 0.0
    if len(d) < FEW_FOR_TEST:
        return Significance("sign-flip", "", total, NO_TEST, NO_TEST, len(d), len(nonzero))
    steps = _whole(nonzero)
    if steps is not None:
        method, (p, greater) = "exact", _tails(np.abs(steps), int(steps[steps > 0].sum()))
    elif len(nonzero) <= ENUMERATED:
        method, (p, greater) = "exact", _enumerated(nonzero)
    elif len(nonzero) > MOST_FLIPPED:
        method, (p, greater) = NORMAL, _normal(nonzero)
    else:
        method, (p, greater) = f"Monte Carlo, {N_FLIPS:,} patterns", _drawn(nonzero, seed)
    return Significance("sign-flip", method, total, p, greater, len(d), len(nonzero))


def wilcoxon(differences: np.ndarray) -> Significance:
    """Wilcoxon's signed-rank test; zeros are ranked and then dropped (Pratt 1959, JASA 54:655).

    `differences` is (n_cases,). The statistic is min(W+, W−). Ties get mid-ranks and the exact permutation
    distribution of those; above some 300 cases the normal approximation. Fewer than six cases: no p.
    """
    d = _cleaned(differences)
    plus, minus = rank_sums(d)
    n_nonzero = int(np.count_nonzero(d))
    name, statistic = "Wilcoxon signed-rank (Pratt)", min(plus, minus)
    if len(d) < FEW_FOR_TEST:
        return Significance(name, "", statistic, NO_TEST, NO_TEST, len(d), n_nonzero)
    steps = np.rint(2 * mid_ranks(d)[d != 0]).astype(np.int64)
    if len(steps) * int(steps.sum()) <= EXACT_WORK:
        p, greater = _tails(steps, round(2 * plus))
        return Significance(name, "exact", statistic, p, greater, len(d), n_nonzero)
    from scipy import stats

    p, greater = (
        float(stats.wilcoxon(d, zero_method="pratt", method="asymptotic", alternative=side).pvalue)
        for side in ("two-sided", "greater")
    )
    return Significance(name, NORMAL, statistic, p, greater, len(d), n_nonzero)


def sign_test(wins: int, losses: int, n_cases: int) -> Significance:
    """Exact binomial test of `wins` among `wins + losses`; ties take no part. It is McNemar's exact test
    where each case is one yes or no an arm (McNemar 1947, Psychometrika 12:153). No untied case: p = 1."""
    from scipy.stats import binomtest

    n = wins + losses
    if n_cases < FEW_FOR_TEST:
        return Significance("sign test", "", float(min(wins, losses)), NO_TEST, NO_TEST, n_cases, n)
    p, greater = (
        float(binomtest(wins, n, alternative=side).pvalue) if n else 1.0 for side in ("two-sided", "greater")
    )
    return Significance("sign test", "exact", float(min(wins, losses)), p, greater, n_cases, n)


def mid_ranks(d: np.ndarray) -> np.ndarray:
    """Ranks of |d| from 1, ties sharing their mean rank, zeros ranked with the rest."""
    _, group, counts = np.unique(np.abs(d), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]


def rank_sums(d: np.ndarray) -> tuple[float, float]:
    """W+ and W−."""
    ranks = mid_ranks(d)
    return float(ranks[d > 0].sum()), float(ranks[d < 0].sum())


def _cleaned(differences: np.ndarray) -> np.ndarray:
    """Means that are equal on paper can differ in the last bit; ranks and zeros must not see it."""
    return np.round(np.asarray(differences, dtype=float), 9) + 0.0


def _whole(values: np.ndarray) -> np.ndarray | None:
    """The values as whole numbers in units of their common denominator, if they have a small one."""
    fractions = [Fraction(float(value)).limit_denominator(LARGEST_DENOMINATOR) for value in np.unique(values)]
    if any(abs(float(f) - v) > TINY for f, v in zip(fractions, np.unique(values), strict=True)):
        return None
    unit = math.lcm(*(fraction.denominator for fraction in fractions))
    if unit > FINEST_UNIT or len(values) * float(np.abs(values).sum()) * unit > EXACT_WORK:
        return None
    return np.rint(values * unit).astype(np.int64)


def _tails(steps: np.ndarray, plus: int) -> tuple[float, float]:
    """(P(|S*| ≥ |S|), P(S* ≥ S)) for S = Σ ±steps, where the positive steps observed sum to `plus`."""
    total = int(steps.sum())
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    reach = 0
    for step in np.sort(steps):
        grown = 0.5 * chance[: reach + step + 1]
        grown[step:] += 0.5 * chance[: reach + 1]
        reach += int(step)
        chance[: reach + 1] = grown
    totals = 2 * np.arange(total + 1) - total
    observed = 2 * plus - total
    two_sided = float(chance[np.abs(totals) >= abs(observed)].sum())
    return min(1.0, two_sided), min(1.0, float(chance[totals >= observed].sum()))


def _enumerated(values: np.ndarray) -> tuple[float, float]:
    totals = np.zeros(1)
    for value in values:
        totals = np.concatenate([totals + value, totals - value])
    return _shares(totals, float(values.sum()), float(np.abs(values).sum()))


def _drawn(values: np.ndarray, seed: int) -> tuple[float, float]:
    """Random patterns; the pattern observed counts as one of them (Phipson & Smyth 2010, Stat Appl Genet Mol Biol
    9:39), so p is never 0. Of m differences of one size the number with a plus is binomial."""
    rng = np.random.default_rng(seed)
    sizes, times = np.unique(np.abs(values), return_counts=True)
    totals = [np.array([values.sum()])]
    for start in range(0, N_FLIPS, 10_000):
        shape = min(10_000, N_FLIPS - start), len(sizes)
        plus = rng.integers(0, 2, shape) if times.max() == 1 else rng.binomial(times, 0.5, shape)
        totals.append(np.einsum("ij,j->i", 2.0 * plus - times, sizes))
    return _shares(np.concatenate(totals), float(values.sum()), float(np.abs(values).sum()))


def _normal(values: np.ndarray) -> tuple[float, float]:
    from scipy.special import ndtr

    z = float(values.sum() / np.sqrt((values**2).sum()))
    return 2 * float(ndtr(-abs(z))), float(ndtr(-z))


def _shares(totals: np.ndarray, observed: float, scale: float) -> tuple[float, float]:
    close = TINY * max(1.0, scale)
    two_sided = np.mean(np.abs(totals) >= abs(observed) - close)
    return float(two_sided), float(np.mean(totals >= observed - close))
