"""Every coefficient of agreement of one set of ratings together, with intervals over cases.

Krippendorff's alpha and weighted kappa collapse when nearly all ratings are equal, Gwet's AC2 does not;
therefore they are given together, with the raw percentages and the n beside them. All are functions of
sums over units, so one resampling of cases serves them all.
"""

from dataclasses import dataclass

import numpy as np

from medreason.stats.agreement import (
    ALL_EQUAL,
    ONE_RATER,
    alpha_of,
    category_counts,
    coincidences,
    pair_agreement,
    quadratic_weights,
)
from medreason.stats.bootstrap import Resampling, estimates, sums
from medreason.stats.estimate import Estimate
from medreason.stats.icc import FORMS, NOT_CROSSED, crossed, icc_features, icc_of
from medreason.stats.kappa import kappa_features, kappa_of

SHOWN = [FORMS.index("2,1"), FORMS.index("2,k")]


@dataclass(frozen=True)
class Coefficients:
    """`n_units` answers with two ratings or more by `n_raters`: ordinal alpha, quadratic AC2, quadratic
    weighted kappa, ICC (2,1) and (2,k) where every rater rated every answer, and the shares of pairs of
    ratings that are equal and within one category."""

    n_units: int
    n_raters: int
    alpha: Estimate
    ac2: Estimate
    exact: Estimate
    within_one: Estimate
    kappa: Estimate
    icc_2_1: Estimate
    icc_2_k: Estimate

    @classmethod
    def missing(cls, reason: str) -> "Coefficients":
        return cls(0, 0, *[Estimate.missing(reason)] * 7)


def coefficients(
    values: np.ndarray, cluster: np.ndarray, categories: np.ndarray, resampling: Resampling
) -> Coefficients:
    """`values` is (n_units, n_raters) with NaN where missing, `cluster` (n_units,) the case of each unit as
    0, 1, 2 …, `categories` all points of the scale in order, used or not. NA where no unit has two ratings,
    or all ratings are equal (AC2 and the percentages stand even then)."""
    counts = category_counts(values, categories)
    several, q = counts.sum(axis=1) >= 2, counts.shape[1]
    if not several.any():
        return Coefficients.missing(ONE_RATER)
    fully = crossed(values)
    parts = [
        _plain(counts),
        coincidences(counts)[:, *np.triu_indices(q)],
        kappa_features(values),
        icc_features(values) if fully else np.zeros((len(values), 0)),
    ]
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]

    def statistic(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        plain, together, kappa, icc = np.split(sums(weights, rows), ends, axis=1)
        correlations = icc_of(icc)[:, SHOWN] if fully else icc
        alpha = alpha_of(_symmetric(together, q), np.asarray(categories))
        return np.column_stack([alpha, _ac2_and_shares(plain, q), kappa_of(kappa), correlations])

    made = estimates(by_cluster(np.concatenate(parts, axis=1), cluster), statistic, resampling, ALL_EQUAL)
    if not fully:
        made += [Estimate.missing(NOT_CROSSED)] * 2
    n_raters = int((~np.isnan(values[several])).any(axis=0).sum())
    return Coefficients(int(several.sum()), n_raters, *made)


def by_cluster(features: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """(n_cases, k) sums of (n_units, k) features over the units of each case."""
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    return np.round(np.add.reduceat(features[order], starts, axis=0), 12) + 0.0


def _plain(counts: np.ndarray) -> np.ndarray:
    """(n_units, 5 + q): has two ratings, has one, pair agreement weighted, exact and near, shares."""
    m, k = counts.sum(axis=1), np.arange(counts.shape[1])
    near = (np.abs(k[:, None] - k[None, :]) <= 1).astype(float)
    return np.column_stack(
        [
            m >= 2,
            m > 0,
            pair_agreement(counts, quadratic_weights(len(k))),
            pair_agreement(counts, np.eye(len(k))),
            pair_agreement(counts, near),
            counts / np.maximum(m, 1)[:, None],
        ]
    )


def _ac2_and_shares(sums: np.ndarray, q: int) -> np.ndarray:
    """(b, 3): AC2 as in `agreement.gwet_ac`, share exact, share within one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        agreed, prevalence = sums[:, 2:5] / sums[:, :1], sums[:, 5:] / sums[:, 1:2]
        chance = quadratic_weights(q).sum() / max(1, q * (q - 1)) * (prevalence * (1 - prevalence)).sum(axis=1)
        return np.column_stack([(agreed[:, 0] - chance) / (1 - chance), agreed[:, 1], agreed[:, 2]])


def _symmetric(upper: np.ndarray, q: int) -> np.ndarray:
    """(b, q, q) from the upper triangles (b, q(q+1)/2)."""
    made = np.zeros((len(upper), q, q))
    first, second = np.triu_indices(q)
    made[:, first, second] = upper
    made[:, second, first] = upper
    return made
