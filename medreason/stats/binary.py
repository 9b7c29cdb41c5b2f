"""McNemar's test of yes-or-no outcomes, and events per 1,000 tokens."""

from dataclasses import dataclass, replace

import numpy as np

from medreason.stats.bootstrap import Resampling, estimates, sums
from medreason.stats.effects import EVEN, orientation
from medreason.stats.estimate import Estimate
from medreason.stats.significance import Significance, sign_test


def mcnemar(differences: np.ndarray) -> Significance:
    """McNemar's exact test on (n_cases,) paired differences of yes (1) and no (0): the binomial test of cases
    with more yes in the fine-tuned arm among all that differ (McNemar 1947). Where a case has several
    raters its mean decides on which side it counts. Statistic: the smaller of the two counts."""
    more, fewer = int((differences > EVEN).sum()), int((differences < -EVEN).sum())
    return replace(sign_test(more, fewer, len(differences)), test="McNemar")


@dataclass(frozen=True)
class Rates:
    """Events per 1,000 tokens in each arm and their difference, fine-tuned minus baseline."""

    baseline: Estimate
    finetuned: Estimate
    difference: Estimate


def per_thousand_tokens(
    baseline: np.ndarray,
    finetuned: np.ndarray,
    baseline_tokens: np.ndarray,
    finetuned_tokens: np.ndarray,
    resampling: Resampling,
) -> Rates:
    """1,000 × Σ events / Σ tokens, a ratio of totals over cases, so that a short answer with one event does
    not outweigh the rest; interval by resampling cases. Four arrays (n_cases,), no NaN: events (a mean
    over raters) and tokens of each arm. NA where an arm has no tokens."""
    if not len(baseline):
        return Rates(*[Estimate.missing("no answer with known length was judged in both arms")] * 3)
    turn = orientation(finetuned - baseline)
    # Differences and sums, so that swapping the arms mirrors every interval (see `effects`).
    rows = np.round(
        np.column_stack(
            [
                turn * (finetuned - baseline),
                finetuned + baseline,
                turn * (finetuned_tokens - baseline_tokens),
                finetuned_tokens + baseline_tokens,
            ]
        ),
        9,
    )

    def statistic(weights: np.ndarray, merged: np.ndarray) -> np.ndarray:
        more_events, events, more_tokens, tokens = sums(weights, merged).T
        rates = []
        for sign in (-turn, turn):
            arm_tokens = tokens + sign * more_tokens
            with np.errstate(invalid="ignore", divide="ignore"):
                rates.append(np.where(arm_tokens > 0, 1000 * (events + sign * more_events) / arm_tokens, np.nan))
        return np.column_stack([*rates, rates[1] - rates[0]])

    return Rates(*estimates(rows, statistic, resampling, "an arm has no tokens"))
