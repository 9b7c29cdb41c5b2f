"""Secondary model of the scores of an axis: cumulative logit of a score on arm, side, phase and order.

Generalised estimating equations for ordinal scores (statsmodels `OrdinalGEE`; Heagerty & Zeger 1996, JASA 91:1024)
with cases as clusters, working independence, and the bias-reduced sandwich (Mancl & DeRouen 2001, Biometrics
57:126), because the plain one is too small for few cases. It checks the primary results and replaces none.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from medreason.domain.arms import Arm, Side
from medreason.stats.estimate import FEW_FOR_INTERVAL, NA, NO_INTERVAL, Estimate, Interval
from medreason.stats.outcomes import PRIMARY_FAMILY
from medreason.stats.records import STUDY, WITH_TRACE, RatingRecord

ARM, SIDE, PHASE, ORDER = "fine-tuned arm", "left side", "thinking shown", "later in the queue"
NO_SCORES = NA("no scores of this axis")
ALL_EQUAL = NA("all scores are equal")
UNDECIDED = NA("the model does not converge")
TOO_ALIKE = NA("arm, side, phase and order cannot be told apart in these scores")
LARGEST_LOG_ODDS = 10


@dataclass(frozen=True)
class OrdinalModel:
    """Log-odds of a higher score on one axis by term, or the reason why there are none. `left_out` are terms that
    do not vary or are not known for every score."""

    axis: str
    terms: dict[str, Estimate]
    n_ratings: int
    n_cases: int
    left_out: tuple[str, ...] = ()
    reason: str = ""


def ordinal_models(ratings: Iterable[RatingRecord], modes: Sequence[str]) -> tuple[OrdinalModel, ...]:
    """One model for each axis, over the scores of study cases that stand."""
    by_axis: dict[str, list[RatingRecord]] = {axis: [] for axis in PRIMARY_FAMILY}
    for one in _latest(ratings, modes):
        if one.value is not None:
            by_axis[one.item].append(one)
    return tuple(_model(axis, own) for axis, own in by_axis.items())


def _latest(ratings: Iterable[RatingRecord], modes: Sequence[str]) -> list[RatingRecord]:
    held: dict[tuple[str, ...], RatingRecord] = {}
    for one in ratings:
        if one.superseded or one.mode not in modes or one.case_kind != STUDY or one.item not in PRIMARY_FAMILY:
            continue
        key = one.case_id, one.rater_id, one.presentation_id, one.generation_id, one.arm, one.item, one.phase
        if key not in held or one.revision_no > held[key].revision_no:
            held[key] = one
    return [held[key] for key in sorted(held)]


def _model(axis: str, ratings: Sequence[RatingRecord]) -> OrdinalModel:
    cases = sorted({one.case_id for one in ratings})
    columns, left_out = _design(ratings)

    def without(why: NA) -> OrdinalModel:
        return OrdinalModel(axis, {}, len(ratings), len(cases), left_out, why.reason)

    if not ratings:
        return without(NO_SCORES)
    if len(cases) < FEW_FOR_INTERVAL:
        return without(NO_INTERVAL)
    scores = np.array([one.value for one in ratings])
    if np.ptp(scores) == 0:
        return without(ALL_EQUAL)
    design = np.column_stack(list(columns.values()))
    if ARM not in columns or np.linalg.matrix_rank(np.column_stack([np.ones(len(scores)), design])) <= len(
        columns
    ):
        return without(TOO_ALIKE)
    place = {case: at for at, case in enumerate(cases)}
    fitted = _fitted(scores, design, np.array([place[one.case_id] for one in ratings]))
    if isinstance(fitted, NA):
        return without(fitted)
    terms = {
        name: Estimate(
            value, Interval(value - 1.959964 * error, value + 1.959964 * error, "bias-reduced sandwich")
        )
        for name, (value, error) in zip(columns, fitted, strict=True)
    }
    return OrdinalModel(axis, terms, len(ratings), len(cases), left_out)


def _design(ratings: Sequence[RatingRecord]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """A column a term: one half above or below level for a choice of two, the order in standard deviations."""
    given: dict[str, Sequence[float | None]] = {
        ARM: [one.arm == Arm.FINETUNED for one in ratings],
        SIDE: [None if one.side is None else one.side == Side.LEFT for one in ratings],
        PHASE: [one.phase == WITH_TRACE for one in ratings],
        ORDER: [one.case_position for one in ratings],
    }
    columns: dict[str, np.ndarray] = {}
    for name, values in given.items():
        column = np.array([np.nan if value is None else float(value) for value in values])
        if len(column) and not np.isnan(column).any() and np.ptp(column) > 0:
            columns[name] = (column - column.mean()) / column.std() if name == ORDER else column - 0.5
    return columns, tuple(name for name in given if name not in columns)


def _fitted(scores: np.ndarray, design: np.ndarray, case: np.ndarray) -> list[tuple[float, float]] | NA:
    """Value and standard error of each column."""
    from statsmodels.genmod.cov_struct import Independence
    from statsmodels.genmod.generalized_estimating_equations import OrdinalGEE

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = OrdinalGEE(scores, design, groups=case, cov_struct=Independence()).fit(cov_type="bias_reduced")
        except (Warning, np.linalg.LinAlgError, ValueError):
            return UNDECIDED
    width = design.shape[1]
    values, errors = np.asarray(found.params)[-width:], np.asarray(found.bse)[-width:]
    if not (np.isfinite(values).all() and np.isfinite(errors).all() and np.abs(values).max() < LARGEST_LOG_ODDS):
        return UNDECIDED
    return [(float(value), float(error)) for value, error in zip(values, errors, strict=True)]
