"""Effect sizes of one paired outcome, from one row a case.

Everything is averaged within a rater, then over the raters of a case, then over cases, so that the case
is the unit. Signs: a difference is fine-tuned minus baseline; wins, the probability of superiority and
the rank-biserial correlation are turned so that more means "the fine-tuned arm is better".
"""

from dataclasses import dataclass

import numpy as np

from medreason.stats.bootstrap import Resampling, estimates, means, sums
from medreason.stats.estimate import NA, Estimate, Number
from medreason.stats.shares import as_superiority, paired_shares

EVEN = 1e-9
LONGEST_WALSH = 3_000
NOTHING_DIFFERS = "no case differs between the arms"


@dataclass(frozen=True, eq=False)
class CaseMeans:
    """One number a case, (n_cases,) each, no NaN: mean of each arm, share of ratings in the best bin of
    each arm (NaN throughout where the outcome has no best bin), and the share of raters who put the
    fine-tuned arm higher, ties half. `direction` is +1 where higher is better, −1 where lower is;
    `yes_no` where a rating is 0 or 1, so that a mean is a share."""

    baseline: np.ndarray
    finetuned: np.ndarray
    baseline_best: np.ndarray
    finetuned_best: np.ndarray
    finetuned_higher: np.ndarray
    direction: int = 1
    yes_no: bool = False

    @property
    def differences(self) -> np.ndarray:
        """d: (n_cases,), fine-tuned minus baseline, rounded so that what is equal on paper is equal."""
        return np.round(self.finetuned - self.baseline, 12) + 0.0


@dataclass(frozen=True)
class Effects:
    """`hodges_lehmann` is in points of the scale; shares and probabilities run from 0 to 1; the rank-biserial
    correlation from −1 to 1."""

    hodges_lehmann: Number
    wins: int
    ties: int
    losses: int
    baseline_mean: Estimate
    finetuned_mean: Estimate
    difference: Estimate
    baseline_best: Estimate
    finetuned_best: Estimate
    best_difference: Estimate
    prob_superiority: Estimate
    rank_biserial: Estimate


def effects(cases: CaseMeans, resampling: Resampling) -> Effects:
    """All effect sizes with cluster-bootstrap intervals (see `bootstrap`); shares with those of `shares`.

    Probability of superiority: P(fine-tuned better) + ½ P(tie), the mean over cases of the share of raters
    (Vargha & Delaney 2000, J Educ Behav Stat 25:101). Rank-biserial: (W+ − W−)/(W+ + W−) with Pratt's ranks
    (Kerby 2014, Compr Psychol 3:11.IT.3.1). No case: all NA.
    """
    d = cases.differences
    if not len(d):
        none = Estimate.missing("no case was judged on both arms")
        return Effects(NA("no case was judged on both arms"), 0, 0, 0, *[none] * 8)
    turn = orientation(d)
    has_best = not np.isnan(cases.baseline_best).any()
    best_b, best_f = (cases.baseline_best, cases.finetuned_best) if has_best else (0 * d, 0 * d)
    # Every column is the same or changes its sign when the arms are swapped: then the merged rows and the
    # draw are the same, and each interval of the swapped table is the mirror image.
    rows = np.column_stack(
        [
            turn * d,
            cases.baseline + cases.finetuned,
            turn * (best_f - best_b),
            best_b + best_f,
            turn * (cases.finetuned_higher - 0.5),
        ]
    )
    rows = np.round(rows, 12) + 0.0

    def statistic(weights: np.ndarray, merged: np.ndarray) -> np.ndarray:
        difference, total, best_difference, best_total, higher = means(weights, merged).T
        difference, best_difference = turn * difference, turn * best_difference
        return np.column_stack(
            [
                (total - difference) / 2,
                (total + difference) / 2,
                difference,
                (best_total - best_difference) / 2,
                (best_total + best_difference) / 2,
                best_difference,
                0.5 + cases.direction * turn * higher,
                cases.direction * turn * rank_biserial(weights, merged[:, 0]),
            ]
        )

    made = estimates(rows, statistic, resampling, NOTHING_DIFFERS)
    if has_best:
        made[3:6] = paired_shares(best_b, best_f)
    else:
        made[3:6] = [Estimate.missing("this outcome has no best bin")] * 3
    if cases.yes_no:
        made[:3] = paired_shares(cases.baseline, cases.finetuned)
        if np.allclose(cases.finetuned_higher, 0.5 + d / 2):
            made[6] = as_superiority(made[2], cases.direction)
    wins, losses = (int((cases.direction * sign * d > EVEN).sum()) for sign in (1, -1))
    return Effects(hodges_lehmann(d), wins, len(d) - wins - losses, losses, *made)


def rank_biserial(weights: np.ndarray, d: np.ndarray) -> np.ndarray:
    """(b,) rank-biserial correlations of `d` (g,) in which difference i occurs weights[:, i] times; NaN
    where all are zero."""
    order = np.argsort(d, kind="stable")
    if (np.diff(order) < 0).any():
        d, weights = d[order], weights[:, order]
    values, starts = np.unique(d, return_index=True)
    size = np.add.reduceat(weights, starts, axis=1)
    magnitudes, group = np.unique(np.abs(values), return_inverse=True)
    tied = sums(size, np.eye(len(magnitudes))[group])
    mid_rank = np.cumsum(tied, axis=1) - (tied - 1) / 2
    ranked = size * mid_rank[:, group]
    plus, minus = ranked[:, values > 0].sum(axis=1), ranked[:, values < 0].sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (plus - minus) / (plus + minus)


def hodges_lehmann(d: np.ndarray) -> Number:
    """Median of the Walsh averages (d_i + d_j)/2, i ≤ j (Hodges & Lehmann 1963, Ann Math Stat 34:598)."""
    values, counts = np.unique(d, return_counts=True)
    if not len(values):
        return NA("no case was judged on both arms")
    if len(values) > LONGEST_WALSH:
        return NA(f"more than {LONGEST_WALSH:,} different differences")
    first, second = np.triu_indices(len(values))
    averages = (values[first] + values[second]) / 2
    times = np.where(first == second, counts[first] * (counts[first] + 1) // 2, counts[first] * counts[second])
    order = np.argsort(averages, kind="stable")
    upto = np.cumsum(times[order])
    total = int(upto[-1])
    middle = np.searchsorted(upto, [(total - 1) // 2, total // 2], side="right")
    return float(np.round(averages[order][middle].mean(), 9)) + 0.0


def orientation(d: np.ndarray) -> int:
    """+1 or −1, changing with the sign of `d`; +1 where `d` is as symmetric as two moments can tell."""
    for power in (1, 3):
        moment = round(float((d**power).sum()), 6)
        if moment:
            return 1 if moment > 0 else -1
    return 1
