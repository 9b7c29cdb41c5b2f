"""Which answer raters preferred: log-odds, adjusted for side, length and format; side bias."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medreason.stats.estimate import (
    FEW_FOR_INTERVAL,
    FEW_FOR_TEST,
    NA,
    NO_INTERVAL,
    NO_TEST,
    Estimate,
    Interval,
    Number,
)

FEW_FOR_MODEL = 50
ONE_SIDED = "one arm won every comparison"
UNDECIDED = "the model does not converge: some adjustment decides every comparison"


@dataclass(frozen=True)
class Comparison:
    """One rater's verdict on one pair, `result` 1 (fine-tuned preferred), ½ (tie) or 0. `features` are
    differences fine-tuned minus baseline by name, each (F − B)/(F + B + 1)."""

    case: str
    result: float
    finetuned_left: bool
    features: dict[str, float]


@dataclass(frozen=True)
class Adjusted:
    """Log-odds of preferring the fine-tuned arm with sides and features held level, the effect of each
    adjustment by name, n of comparisons, and the adjustments that could not be made."""

    log_odds: Estimate
    effects: dict[str, Estimate]
    n_pairs: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class SideBias:
    """Share of comparisons won by the left side, ties apart, with the exact binomial test of one half. Each
    comparison counts as one: a screen for a habit of raters, not an inference about cases."""

    left: int
    right: int
    ties: int
    left_share: Number
    p: Number


def log_odds(prob_superiority: Estimate) -> Estimate:
    """log(PS / (1 − PS)) with its interval transformed: with ties halved, the log-odds of an intercept-only
    logit, and the difference of two Bradley–Terry strengths (Bradley & Terry 1952). NA at 0 and 1."""
    value = prob_superiority.value
    if isinstance(value, NA):
        return Estimate(value, value)
    if not 0 < value < 1:
        return Estimate.missing(ONE_SIDED)
    limits = prob_superiority.interval
    if isinstance(limits, NA):
        return Estimate(_logit(value), limits)
    if limits.low <= 0 or limits.high >= 1:
        return Estimate(_logit(value), NA("the interval of the share reaches 0 or 1"))
    low, high = _logit(limits.low), _logit(limits.high)
    return Estimate(_logit(value), Interval(low, high, limits.method, limits.n_undefined))


def adjusted_log_odds(comparisons: Sequence[Comparison]) -> Adjusted:
    """logit P(fine-tuned preferred) = β0 + β1·side + Σ βj·feature/SD, cases weighing alike and errors robust by
    case (Zeger & Liang 1986, Biometrika 73:13); side is +1 where the fine-tuned stands left, −1 right.

    This is the style control of Chatbot Arena with the order of sides added; features are scaled but not
    centred, because one arm may write longer throughout and β0 must stand for equal length. β0 is NA below
    50 comparisons or six cases; intervals from ten cases. A feature that some comparison lacks, or that
    never varies, is left out."""
    n = len(comparisons)
    cases = sorted({one.case for one in comparisons})
    if n < FEW_FOR_MODEL or len(cases) < FEW_FOR_TEST:
        few = f"fewer than {FEW_FOR_MODEL} comparisons or {FEW_FOR_TEST} cases"
        return Adjusted(Estimate.missing(few), {}, n)
    ordered = sorted(
        comparisons, key=lambda one: (one.case, one.result, one.finetuned_left, *one.features.values())
    )
    result = np.array([one.result for one in ordered])
    place = {name: index for index, name in enumerate(cases)}
    case = np.array([place[one.case] for one in ordered])
    columns, left_out = _design(ordered)
    if not 0 < result.mean() < 1:
        return Adjusted(Estimate.missing(ONE_SIDED), {}, n, left_out)
    weights = 1 / np.bincount(case)[case]
    fitted = _fit(result, np.column_stack([np.ones(n), *columns.values()]), weights, case)
    if isinstance(fitted, NA):
        return Adjusted(Estimate(fitted, fitted), {}, n, left_out)
    names = ["intercept", *columns]
    made = {
        name: Estimate(
            float(value),
            NO_INTERVAL
            if len(cases) < FEW_FOR_INTERVAL
            else Interval(float(value - 1.959964 * error), float(value + 1.959964 * error), "cluster-robust"),
        )
        for name, value, error in zip(names, *fitted, strict=True)
    }
    return Adjusted(made.pop("intercept"), made, n, left_out)


def side_bias(left: int, right: int, ties: int, n_cases: int) -> SideBias:
    """Exact binomial test of `left` among `left + right`; no p below six cases, no share where all tied."""
    if left + right == 0:
        return SideBias(left, right, ties, NA("no side was preferred"), NA("no side was preferred"))
    from scipy.stats import binomtest

    p = NO_TEST if n_cases < FEW_FOR_TEST else float(binomtest(left, left + right).pvalue)
    return SideBias(left, right, ties, left / (left + right), p)


def bradley_terry(wins: np.ndarray, rounds: int = 10_000) -> np.ndarray:
    """Strengths (n,) with geometric mean 1 from `wins` (n, n), wins[i, j] how often i beat j, ties as ½ both
    ways (minorisation–maximisation of Hunter 2004, Ann Stat 32:384). For two arms the log of their ratio is
    `log_odds`, which the table gives; published examples have more. Every player must have won and lost, directly
    or through others."""
    wins = np.asarray(wins, dtype=float)
    games, strengths = wins + wins.T, np.ones(len(wins))
    for _ in range(rounds):
        before = strengths
        strengths = wins.sum(axis=1) / (games / (before[:, None] + before[None, :])).sum(axis=1)
        strengths = strengths / np.exp(np.log(strengths).mean())
        if np.allclose(strengths, before, rtol=1e-12, atol=0):
            break
    return strengths


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _design(comparisons: Sequence[Comparison]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The columns beside the intercept, and the names of those that cannot be used."""
    wanted = {"side": np.array([1.0 if one.finetuned_left else -1.0 for one in comparisons])}
    missing = []
    for name in sorted({name for one in comparisons for name in one.features}):
        if all(name in one.features for one in comparisons):
            wanted[name] = np.array([one.features[name] for one in comparisons])
        else:
            missing.append(name)
    columns = {}
    for name, values in wanted.items():
        spread = values.std()
        if spread < 1e-12:
            missing.append(name)
        else:
            columns[name] = values if name == "side" else values / spread
    return columns, tuple(missing)


def _fit(
    result: np.ndarray, design: np.ndarray, weights: np.ndarray, case: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | NA:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    if np.linalg.matrix_rank(design) < design.shape[1]:
        return NA("side, length and format cannot be told apart in these comparisons")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fitted = GLM(result, design, family=Binomial(), var_weights=weights).fit()
        except (Warning, np.linalg.LinAlgError, ValueError):
            return NA(UNDECIDED)
    # The sandwich is ours because statsmodels says that its own is not fully supported with weights.
    expected = fitted.fittedvalues
    bread = np.linalg.pinv((design * (weights * expected * (1 - expected))[:, None]).T @ design)
    scores = np.zeros((case.max() + 1, design.shape[1]))
    np.add.at(scores, case, design * (weights * (result - expected))[:, None])
    n, k, groups = len(result), design.shape[1], len(scores)
    variance = np.diag(bread @ scores.T @ scores @ bread) * groups / (groups - 1) * (n - 1) / (n - k)
    if not (np.isfinite(fitted.params).all() and np.isfinite(variance).all()):
        return NA(UNDECIDED)
    return fitted.params, np.sqrt(variance)
