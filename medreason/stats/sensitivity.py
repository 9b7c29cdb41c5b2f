"""How far the difference between the arms depends on single raters, on the choice of raters, on sure
ratings, and on raters who could not tell the arms apart."""

from dataclasses import dataclass, replace

import numpy as np

from medreason.stats.bootstrap import PERCENTILE, Resampling, chunks, draws, sums
from medreason.stats.estimate import FEW_FOR_INTERVAL, NA, NO_INTERVAL, Interval, Number

ONE_RATER = "one rater only"
FEW_RATERS = 3
SURE = 4


@dataclass(frozen=True)
class Sensitivity:
    """Mean differences, fine-tuned minus baseline. `without_a_rater` is the lowest and the highest that
    leaving out one rater gives; `over_raters` the interval when raters are drawn like cases; `sure` rests on
    ratings with a confidence of 4 or 5 (`n_sure` of them), `unguessed` on pairs whose rater answered "don't
    know" when asked for the fine-tuned side."""

    without_a_rater: tuple[float, float] | NA
    over_raters: Interval | NA
    sure: Number
    n_sure: int
    unguessed: Number
    n_unguessed: int


def leave_one_rater_out(differences: np.ndarray) -> tuple[float, float] | NA:
    """Range of the mean over cases; `differences` (n_cases, n_raters) with NaN. NA below two raters."""
    n_raters = differences.shape[1]
    if n_raters < 2:
        return NA(ONE_RATER)
    means = [_mean_of_cases(np.delete(differences, rater, axis=1)) for rater in range(n_raters)]
    found = [mean for mean in means if mean is not None]
    return (min(found), max(found)) if found else NA(ONE_RATER)


def pigeonhole(differences: np.ndarray, resampling: Resampling) -> Interval | NA:
    """Percentile interval of the mean difference with cases and raters both drawn anew (the pigeonhole
    bootstrap of Owen 2007, Ann Appl Stat 1:386; conservative). `differences` (n_cases, n_raters) with NaN. A case
    none of whose raters is drawn falls out of that resample. NA below ten cases or three raters."""
    n_cases, n_raters = differences.shape
    if n_cases < FEW_FOR_INTERVAL:
        return NO_INTERVAL
    if n_raters < FEW_RATERS:
        return NA(f"fewer than {FEW_RATERS} raters")
    order = np.lexsort(np.nan_to_num(np.sort(np.abs(differences), axis=1), nan=-1.0).T[::-1])
    values = differences[order]
    present = (~np.isnan(values)).astype(float)
    filled = np.where(np.isnan(values), 0.0, values)
    raters = draws((1,) * n_raters, replace(resampling, seed=resampling.seed + 1)).astype(float)
    drawn, start = [], 0
    for cases in chunks(draws((1,) * n_cases, resampling)):
        among = raters[start : start + len(cases)]
        start += len(cases)
        n = sums(among, present.T)
        reached = cases * (n > 0)
        with np.errstate(invalid="ignore"):
            drawn.append((reached * sums(among, filled.T) / np.maximum(n, 1)).sum(axis=1) / reached.sum(axis=1))
    means = np.concatenate(drawn)
    defined = means[~np.isnan(means)]
    if not len(defined) or np.ptp(defined) < 1e-11:
        return NA("no variation between cases")
    low, high = (float(end) for end in np.quantile(defined, (0.025, 0.975)))
    return Interval(low, high, f"two-way {PERCENTILE}", len(means) - len(defined))


def mean_difference(differences: np.ndarray, reason: str) -> Number:
    """Raters averaged within cases, then cases; NA with `reason` where nothing is left."""
    mean = _mean_of_cases(differences)
    return NA(reason) if mean is None else mean


def _mean_of_cases(differences: np.ndarray) -> float | None:
    present = ~np.isnan(differences)
    n = present.sum(axis=1)
    if not n.any():
        return None
    sums = np.where(present, differences, 0.0).sum(axis=1)[n > 0]
    return round(float((sums / n[n > 0]).mean()), 9) + 0.0
