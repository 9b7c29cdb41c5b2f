"""Shares of yes, one for each case: Wilson's and Newcombe's intervals, and the same for several raters.

A bootstrap of a few cases is too short here, the more so the rarer the yes: these intervals are made for that.
With one rater a case is yes or no. Where raters disagree a case is a share of them, more than one yes or no and
less than as many as there are raters; how much more, the variance between cases tells. The number of cases times
that is the effective sample size, which takes the place of n in Wilson's limits (compared with seven others by
Franco, Little, Louis & Slud 2019, J Surv Stat Methodol 7:334), with the t quantile of n − 1 degrees of freedom,
because a variance was estimated (Korn & Graubard 1998, Surv Methodol 24:193). The limits of both arms make those
of the difference as in Newcombe's method (MOVER: Zou & Donner 2008, Stat Med 27:1693), with the correlation of the
arms over cases. Where hardly a case is a yes, or hardly one is not, all of these hold the truth more often than
they say, because counts of few are coarse.
"""

import math
from typing import NamedTuple

import numpy as np

from medreason.stats.estimate import FEW_FOR_INTERVAL, NA, NO_INTERVAL, Estimate, Interval

WILSON, NEWCOMBE = "Wilson", "Newcombe"
SEVERAL_WILSON, SEVERAL_NEWCOMBE = "Wilson with effective n", "Newcombe with effective n"
DECIMALS = 10
NORMAL = 1.959963984540054


class PairedShares(NamedTuple):
    """Share of yes in each arm, and their difference, fine-tuned minus baseline."""

    baseline: Estimate
    finetuned: Estimate
    difference: Estimate


def paired_shares(baseline: np.ndarray, finetuned: np.ndarray) -> PairedShares:
    """From (n_cases,) arrays of the share of raters who said yes, 0 to 1, no NaN; no interval below ten cases.

    Wilson and Newcombe where a case is one plain yes or no; else both with the effective sample size."""
    n, plain = len(baseline), (_plain(baseline), _plain(finetuned))
    difference = newcombe(baseline, finetuned) if all(plain) else _several(baseline, finetuned)
    limits = _effective(baseline, finetuned) if n >= FEW_FOR_INTERVAL else [None, None]
    made = [
        wilson(int(arm.sum()), n) if simple else _estimate(arm.mean(), own, SEVERAL_WILSON)
        for arm, simple, own in zip((baseline, finetuned), plain, limits, strict=True)
    ]
    return PairedShares(made[0], made[1], difference)


def wilson(yes: int, n: int) -> Estimate:
    """A share with Wilson's score interval (Wilson 1927, JASA 22:209); no interval below ten, NA for n = 0."""
    if n == 0:
        return Estimate.missing("nothing to count")
    if n < FEW_FOR_INTERVAL:
        return Estimate(yes / n, NO_INTERVAL)
    return Estimate(yes / n, Interval(*_limits(yes / n, n), WILSON))


def newcombe(baseline: np.ndarray, finetuned: np.ndarray) -> Estimate:
    """Difference of two paired shares, fine-tuned minus baseline, from (n_cases,) arrays of 0 and 1.

    Wilson's limits of both arms put together with the correlation between them: method 10 of Newcombe 1998
    (Stat Med 17:2635). Unlike a bootstrap it has a width even where no case differs.
    """
    n = len(baseline)
    if n == 0:
        return Estimate.missing("nothing to count")
    b, f = (int(arm.sum()) for arm in (baseline, finetuned))
    difference = (f - b) / n
    if n < FEW_FOR_INTERVAL:
        return Estimate(difference, NO_INTERVAL)
    both = int((baseline * finetuned).sum())
    together: float = both * (n - b - f + both) - (b - both) * (f - both)
    if together > 0:
        together = max(0.0, together - n / 2)
    spread = math.sqrt(b * (n - b) * f * (n - f))
    phi = together / spread if spread else 0.0
    low, high = _mover((b / n, *_limits(b / n, n)), (f / n, *_limits(f / n, n)), phi)
    return Estimate(difference, Interval(low, high, NEWCOMBE))


def _several(baseline: np.ndarray, finetuned: np.ndarray) -> Estimate:
    b, f = float(baseline.mean()), float(finetuned.mean())
    if len(baseline) < FEW_FOR_INTERVAL:
        return _estimate(f - b, None, "")
    b_limits, f_limits = _effective(baseline, finetuned)
    ends = _mover((b, *b_limits), (f, *f_limits), _correlation(baseline, finetuned))
    return _estimate(f - b, ends, SEVERAL_NEWCOMBE)


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
    return bool(np.isin(per_case, (0.0, 1.0)).all())


def _effective(baseline: np.ndarray, finetuned: np.ndarray) -> list[tuple[float, float]]:
    """Wilson's limits of each arm with the effective sample size. What a case is worth (1 where its raters all say
    the same, their number where each judges by chance) is taken from both arms together: one of them alone may
    hold too few yes to tell."""
    from scipy.special import stdtrit

    n = len(baseline)
    by_chance = sum(float(arm.mean() * (1 - arm.mean())) for arm in (baseline, finetuned))
    between = float(baseline.var(ddof=1) + finetuned.var(ddof=1))
    worth = max(1.0, by_chance / between) if between > 1e-12 else 1.0
    quantile = float(stdtrit(n - 1, 0.975))
    return [_limits(float(arm.mean()), n * worth, quantile) for arm in (baseline, finetuned)]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """0 where one of them does not vary."""
    one, other = one - one.mean(), other - other.mean()
    spread = math.sqrt(float((one @ one) * (other @ other)))
    return float(one @ other) / spread if spread > 1e-12 else 0.0


def _mover(
    baseline: tuple[float, float, float], finetuned: tuple[float, float, float], phi: float
) -> tuple[float, float]:
    """Limits of the difference of two shares, each given with its limits, correlated by `phi`."""
    (b, b_low, b_high), (f, f_low, f_high) = baseline, finetuned

    def joined(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    low, high = f - b - joined(f - f_low, b_high - b), f - b + joined(f_high - f, b - b_low)
    return max(-1.0, low), min(1.0, high)


def _limits(share: float, n: float, quantile: float = NORMAL) -> tuple[float, float]:
    """Wilson's score limits, within 0 and 1."""
    squared = quantile**2 / n
    centre, half = share + squared / 2, math.sqrt(squared * share * (1 - share) + squared**2 / 4)
    low, high = (centre - half) / (1 + squared), (centre + half) / (1 + squared)
    return 0.0 if share <= 0 else low, 1.0 if share >= 1 else high


def _estimate(value: float, limits: tuple[float, float] | None, method: str) -> Estimate:
    if limits is None:
        return Estimate(_rounded(value), NO_INTERVAL)
    return Estimate(_rounded(value), Interval(_rounded(limits[0]), _rounded(limits[1]), method))


def _rounded(value: float) -> float:
    """As resampled numbers are: the same cases in another order must not differ in the last bit."""
    return round(float(value), DECIMALS) + 0.0
