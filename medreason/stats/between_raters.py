"""Agreement between the raters on one outcome: on the scores of answers, and on the differences."""

from dataclasses import dataclass, replace

import numpy as np

from medreason.stats.bootstrap import Resampling
from medreason.stats.coefficients import Coefficients, coefficients
from medreason.stats.estimate import Estimate
from medreason.stats.judgements import Judgements, answers_by_rater, differences_by_rater
from medreason.stats.outcomes import BINARY, CONTINUOUS, PAIRWISE

NOT_ORDERED = "not a rating on ordered categories"
MOST_COUNTED = 6
YES_NO = "yes and no are never further apart than one"


@dataclass(frozen=True)
class Agreement:
    """On the scores of single answers, and on the differences between the two answers of a pair."""

    scores: Coefficients
    differences: Coefficients

    @classmethod
    def missing(cls, reason: str) -> "Agreement":
        return cls(Coefficients.missing(reason), Coefficients.missing(reason))


def between_raters(judgements: Judgements, resampling: Resampling) -> Agreement:
    """A preference is a difference already, so both halves are the same there. Scores that are no category
    (means of several answers that cannot be told apart) take no part; a count of six or more is one category."""
    outcome = judgements.outcome
    if outcome.kind == CONTINUOUS:
        return Agreement.missing(NOT_ORDERED)
    if outcome.kind == PAIRWISE:
        both = _on(*differences_by_rater(judgements), outcome.categories, resampling)
        return Agreement(both, both)
    most = max(max(one.baseline, one.finetuned) for one in judgements.judged)
    points = outcome.categories or tuple(range(min(round(most), MOST_COUNTED) + 1))
    reach = points[-1] - points[0]
    scores = _on(*answers_by_rater(judgements), points, resampling)
    differences = _on(*differences_by_rater(judgements), tuple(range(-reach, reach + 1)), resampling)
    if outcome.kind == BINARY:
        scores = replace(scores, within_one=Estimate.missing(YES_NO))
    return Agreement(scores, differences)


def _on(values: np.ndarray, case: np.ndarray, points: tuple[int, ...], resampling: Resampling) -> Coefficients:
    values = np.clip(values, points[0], points[-1])
    values = np.where(np.isin(values, points), values, np.nan)
    return coefficients(values, case, np.array(points), resampling)
