"""Krippendorff's alpha and Gwet's AC of any number of raters on ordered categories.

Ratings may be missing. A unit is one answer that several raters scored; `counts` say how many raters put
each unit in each category.
"""

from dataclasses import dataclass

import numpy as np

from medreason.stats.estimate import NA, Number, number

ONE_RATER = "no answer was rated by two raters"
ALL_EQUAL = "the ratings do not vary enough"


def quadratic_weights(q: int) -> np.ndarray:
    """w_kl = 1 − ((k − l)/(q − 1))², (q, q); the identity for one category."""
    k = np.arange(q)
    return 1 - ((k[:, None] - k[None, :]) / max(1, q - 1)) ** 2


def category_counts(values: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """(n_units, q): how many raters put each unit in each category. `values` is (n_units, n_raters), NaN
    where a rater did not rate; every other value must be one of `categories`, in ascending order."""
    counts = (values[:, :, None] == np.asarray(categories, dtype=float)).sum(axis=1)
    if counts.sum() != np.count_nonzero(~np.isnan(values)):
        raise ValueError("a rating is outside the categories")
    return counts


def coincidences(counts: np.ndarray) -> np.ndarray:
    """(n_units, q, q) coincidences of every unit with two ratings or more, else zeros (Krippendorff 2011)."""
    m = counts.sum(axis=1)
    pairs = counts[:, :, None] * counts[:, None, :].astype(float)
    pairs[:, np.arange(counts.shape[1]), np.arange(counts.shape[1])] -= counts
    return np.where(m >= 2, 1 / np.maximum(m - 1, 1), 0.0)[:, None, None] * pairs


def alpha_of(together: np.ndarray, categories: np.ndarray, metric: str = "ordinal") -> np.ndarray:
    """Krippendorff's α = 1 − D_o/D_e from coincidence matrices (b, q, q): (b,), NaN without any variation.

    `metric`: nominal, ordinal, interval or ratio; ordinal δ² is the squared distance of mid-ranks, which is
    Krippendorff's (Σ n_g − (n_c + n_k)/2)² ("Computing Krippendorff's Alpha-Reliability", 2011).
    """
    marginals = together.sum(axis=2)
    n = marginals.sum(axis=1)
    values = np.asarray(categories, dtype=float)
    if metric == "nominal":
        distance = 1.0 - np.eye(len(values))[None]
    elif metric == "ordinal":
        place = np.cumsum(marginals, axis=1) - marginals / 2
        distance = (place[:, :, None] - place[:, None, :]) ** 2
    elif metric == "interval":
        distance = (values[:, None] - values[None, :])[None] ** 2
    elif metric == "ratio":
        total = values[:, None] + values[None, :]
        distance = ((values[:, None] - values[None, :]) / np.where(total == 0, 1, total))[None] ** 2
    else:
        raise ValueError(f"metric is nominal, ordinal, interval or ratio, not {metric}")
    observed = (together * distance).sum(axis=(1, 2))
    expected = (marginals[:, :, None] * marginals[:, None, :] * distance).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 1e-12, 1 - (n - 1) * observed / expected, np.nan)


def krippendorff_alpha(counts: np.ndarray, categories: np.ndarray, metric: str = "ordinal") -> Number:
    """α of (n_units, q) counts; NA where no unit has two ratings or all ratings are equal. The plain form of what
    `coefficients` computes for many resamples at once; published examples are checked with it."""
    together = coincidences(counts).sum(axis=0)
    if not together.sum():
        return NA(ONE_RATER)
    return number(alpha_of(together[None], categories, metric)[0], ALL_EQUAL)


@dataclass(frozen=True)
class GwetAC:
    """AC1 (identity weights) or AC2, with Gwet's linearised standard error, observed and chance agreement."""

    value: Number
    standard_error: Number
    observed: Number
    chance: Number


def gwet_ac(counts: np.ndarray, weights: np.ndarray) -> GwetAC:
    """Gwet 2008 (Br J Math Stat Psychol 61:29) and Handbook of Inter-Rater Reliability, 4th ed. 2014:
    AC = (p_a − p_e)/(1 − p_e), p_e = Σw/(q(q−1)) Σ π_k(1 − π_k). `counts` (n_units, q), `weights` (q, q). As α
    here, the plain form of what `coefficients` computes, which has its interval from cases instead."""
    counts = counts[counts.sum(axis=1) > 0]
    n, q = counts.shape
    several = counts.sum(axis=1) >= 2
    if not several.any() or q < 2:
        none = NA(ONE_RATER if q >= 2 else "one category only")
        return GwetAC(none, none, none, none)
    shares = counts / counts.sum(axis=1, keepdims=True)
    agreeing, prevalence = pair_agreement(counts, weights), shares.mean(axis=0)
    scale = weights.sum() / (q * (q - 1))
    observed = agreeing[several].mean()
    chance = scale * (prevalence * (1 - prevalence)).sum()
    value = (observed - chance) / (1 - chance)
    if n < 2:
        return GwetAC(float(value), NA("one answer only"), float(observed), float(chance))
    own = n / several.sum() * np.where(several, agreeing - chance, 0.0) / (1 - chance)
    own = own - 2 * (1 - value) * (scale * shares @ (1 - prevalence) - chance) / (1 - chance)
    error = np.sqrt(((own - value) ** 2).sum() / (n * (n - 1)))
    return GwetAC(float(value), float(error), float(observed), float(chance))


def pair_agreement(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n_units,) weighted share of agreeing pairs of raters in each unit; 0 where fewer than two rated."""
    m = counts.sum(axis=1)
    agreeing = (counts * (counts @ weights - 1)).sum(axis=1)
    return np.where(m >= 2, agreeing / np.maximum(m * (m - 1), 1), 0.0)
