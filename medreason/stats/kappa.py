"""Weighted kappa: Cohen's for a table of two raters, Conger's for any number."""

import numpy as np

from medreason.stats.agreement import ALL_EQUAL
from medreason.stats.estimate import NA, Estimate, Interval

PER_RATER = 3


def cohen_kappa(table: np.ndarray, weights: str | None = None) -> tuple[Estimate, float | NA]:
    """Cohen's kappa of a (q, q) table of counts, with its asymptotic interval and standard error.

    `weights`: None, "linear" or "quadratic" (Cohen 1968, Psychol Bull 70:213; standard error of Fleiss,
    Cohen & Everitt 1969, as in statsmodels). NA where one category holds everything. Published examples are given
    for this form; the table has several raters and missing ratings, and takes `kappa_of`.
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    counts = np.asarray(table, dtype=float)
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    if not counts.sum() or float(rows @ columns) >= counts.sum() ** 2:
        return Estimate.missing(ALL_EQUAL), NA(ALL_EQUAL)
    found = cohens_kappa(counts, wt=weights)
    limits = Interval(float(found.kappa_low), float(found.kappa_upp), "asymptotic")
    return Estimate(float(found.kappa), limits), float(found.std_kappa)


def kappa_features(values: np.ndarray) -> np.ndarray:
    """(n_units, 2 + 3 n_raters): what quadratic kappa needs of each unit with two ratings or more, to be summed.

    `values` (n_units, n_raters) with NaN: 1, mean squared distance of its pairs of ratings, and of every
    rater 1, value, value². Zeros where fewer than two raters rated.
    """
    judged = ~np.isnan(values)
    m = judged.sum(axis=1)
    judged &= (m >= 2)[:, None]
    x = np.where(judged, values - (np.nanmean(values) if m.any() else 0.0), 0.0)
    apart = 2 * (m * (x**2).sum(axis=1) - x.sum(axis=1) ** 2) / np.maximum(m * (m - 1), 1)
    return np.concatenate([(m >= 2)[:, None], apart[:, None], judged, x, x**2], axis=1).astype(float)


def kappa_of(sums: np.ndarray) -> np.ndarray:
    """(b,) quadratic weighted kappa from (b, 2 + 3 n_raters) sums of `kappa_features`; NaN without variation.

    1 − observed / expected squared distance; expected is the mean over pairs of raters, each with its own
    distribution (Conger 1980, Psychol Bull 88:322; missing ratings as in Gwet 2014, chapter 2). With two
    raters it is Cohen's. A rater without a rating takes no part.
    """
    n_raters = (sums.shape[1] - 2) // PER_RATER
    n, total, squares = (sums[:, 2 + i * n_raters : 2 + (i + 1) * n_raters] for i in range(PER_RATER))
    mean, square = total / np.maximum(n, 1), squares / np.maximum(n, 1)
    k = (n > 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        products = (mean.sum(axis=1) ** 2 - (mean**2).sum(axis=1)) / (k * (k - 1))
        expected = 2 * square.sum(axis=1) / k - 2 * products
        return np.where((k >= 2) & (expected > 1e-9), 1 - sums[:, 1] / sums[:, 0] / expected, np.nan)
