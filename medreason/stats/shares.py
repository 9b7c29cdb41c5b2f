"""Shares of plain yes and no, one for each case: Wilson's and Newcombe's intervals.

With one rater a case is yes or no, and a bootstrap of a few of them is too short, the more so the rarer the
yes: these intervals are made for that. Where raters disagree a case is a share, and cases are resampled.
"""

import math

import numpy as np

from medreason.stats.estimate import FEW_FOR_INTERVAL, NA, NO_INTERVAL, Estimate, Interval

WILSON, NEWCOMBE = "Wilson", "Newcombe"


def wilson(yes: int, n: int) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927, JASA 22:209); no interval below ten, NA for n = 0."""
    if n == 0:
        return Estimate.missing("nothing to count")
    if n < FEW_FOR_INTERVAL:
        return Estimate(yes / n, NO_INTERVAL)
    return Estimate(yes / n, Interval(*_limits(yes, n), WILSON))


def newcombe(baseline: np.ndarray, finetuned: np.ndarray) -> Estimate:
    """Difference of two paired shares, fine-tuned minus baseline, from (n_cases,) arrays of 0 and 1.

    Wilson's limits of both arms put together with the correlation between them: method 10 of Newcombe 1998
    (Stat Med 17:2635). Unlike a bootstrap it has a width even where no case differs.
    """
    n = len(baseline)
    if n == 0:
        return Estimate.missing("nothing to count")
    b, f = int(baseline.sum()), int(finetuned.sum())
    difference = (f - b) / n
    if n < FEW_FOR_INTERVAL:
        return Estimate(difference, NO_INTERVAL)
    both = int((baseline * finetuned).sum())
    together: float = both * (n - b - f + both) - (b - both) * (f - both)
    if together > 0:
        together = max(0.0, together - n / 2)
    spread = math.sqrt(b * (n - b) * f * (n - f))
    phi = together / spread if spread else 0.0
    (b_low, b_high), (f_low, f_high) = _limits(b, n), _limits(f, n)
    down = _joined(f / n - f_low, b_high - b / n, phi)
    up = _joined(f_high - f / n, b / n - b_low, phi)
    return Estimate(difference, Interval(max(-1.0, difference - down), min(1.0, difference + up), NEWCOMBE))


def with_wilson(per_case: np.ndarray, otherwise: Estimate) -> Estimate:
    """Wilson's interval where every case is one plain yes or no, else the estimate by resampling."""
    return wilson(int(per_case.sum()), len(per_case)) if _plain(per_case) else otherwise


def with_newcombe(baseline: np.ndarray, finetuned: np.ndarray, otherwise: Estimate) -> Estimate:
    """Newcombe's interval where every case is one plain yes or no in both arms, else by resampling."""
    return newcombe(baseline, finetuned) if _plain(baseline) and _plain(finetuned) else otherwise


def as_superiority(difference: Estimate, direction: int) -> Estimate:
    """P(fine-tuned better) + ½ P(tie) is ½ + ½ difference where each case is yes or no."""

    def turned(value: float) -> float:
        return 0.5 + direction * value / 2

    if isinstance(difference.value, NA):
        return difference
    limits = difference.interval
    if not isinstance(limits, NA):
        low, high = sorted((turned(limits.low), turned(limits.high)))
        limits = Interval(low, high, limits.method)
    return Estimate(turned(difference.value), limits)


def _plain(per_case: np.ndarray) -> bool:
    return bool(len(per_case)) and bool(np.isin(per_case, (0.0, 1.0)).all())


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _limits(yes: int, n: int) -> tuple[float, float]:
    from scipy.stats import binomtest

    limits = binomtest(yes, n).proportion_ci(0.95, method="wilson")
    return float(limits.low), float(limits.high)
