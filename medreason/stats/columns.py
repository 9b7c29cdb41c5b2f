"""The evaluation table as flat columns, named and ordered as in the export."""

from medreason.stats.estimate import NA, Estimate
from medreason.stats.evaluation import Evaluation
from medreason.stats.preference import Adjusted
from medreason.stats.rows import ArmSummary, Row
from medreason.stats.significance import Significance

DIRECTIONS = {1: "higher is better", -1: "lower is better", 0: "neither"}
_ARM = ("mean", "ci_low", "ci_high", "median", "q1", "q3", "best_bin_share")
COLUMNS = (
    *("outcome", "type", "direction", "analysis_set", "n_cases", "n_raters", "n_ratings", "n_paired"),
    *("n_missing", "n_not_judgeable", *(f"baseline_{part}" for part in _ARM)),
    *(*(f"finetuned_{part}" for part in _ARM), "diff_mean", "diff_ci_low", "diff_ci_high", "hl_shift"),
    *("wins", "ties", "losses", "prob_superiority", "ps_ci_low", "ps_ci_high"),
    *("rank_biserial", "rb_ci_low", "rb_ci_high", "test", "statistic", "p_raw", "p_adjusted"),
    *("adjust_method", "family", "alpha_ordinal", "alpha_ci_low", "alpha_ci_high"),
    *("ac2_quadratic", "ac2_ci_low", "ac2_ci_high", "icc_2_1", "icc_2_k", "percent_exact"),
    *("percent_within_1", "left_side_share", "left_side_p", "length_adjusted_logodds"),
    *("ladj_ci_low", "ladj_ci_high", "blinding_index", "ci_method", "n_boot", "seed", "warnings"),
)

Cell = str | int | float | None


def table(evaluation: Evaluation) -> list[dict[str, Cell]]:
    """One object per outcome with exactly `COLUMNS`, None where a number is not available."""
    return [record(row, evaluation) for row in evaluation.rows]


def record(row: Row, evaluation: Evaluation) -> dict[str, Cell]:
    scores, bias = row.agreement.scores, row.side_bias
    test = row.test if isinstance(row.test, Significance) else None
    flat: dict[str, object] = {
        "outcome": row.outcome.id,
        "type": row.outcome.kind,
        "direction": DIRECTIONS[row.outcome.direction],
        "analysis_set": "+".join(evaluation.modes),
        "n_cases": row.n_cases,
        "n_raters": row.n_raters,
        "n_ratings": row.n_ratings,
        "n_paired": row.n_paired,
        "n_missing": row.n_missing,
        "n_not_judgeable": row.n_not_judgeable,
        **_arm("baseline", row.baseline),
        **_arm("finetuned", row.finetuned),
        **_three("diff_mean", "diff", row.difference),
        "hl_shift": row.hodges_lehmann,
        "wins": row.wins,
        "ties": row.ties,
        "losses": row.losses,
        **_three("prob_superiority", "ps", row.prob_superiority),
        **_three("rank_biserial", "rb", row.rank_biserial),
        "test": f"{test.test}, {test.method}" if test and test.method else None,
        "statistic": test.statistic if test and test.method else None,
        "p_raw": test.p if test else None,
        "p_adjusted": row.p_adjusted,
        "adjust_method": row.adjust_method,
        "family": row.family,
        **_three("alpha_ordinal", "alpha", scores.alpha),
        **_three("ac2_quadratic", "ac2", scores.ac2),
        "icc_2_1": scores.icc_2_1.value,
        "icc_2_k": scores.icc_2_k.value,
        "percent_exact": _percent(scores.exact),
        "percent_within_1": _percent(scores.within_one),
        "left_side_share": None if isinstance(bias, NA) else bias.left_share,
        "left_side_p": None if isinstance(bias, NA) else bias.p,
        **_three("length_adjusted_logodds", "ladj", _adjusted(row)),
        "blinding_index": evaluation.blinding.index.value,
        "ci_method": _methods(row),
        "n_boot": evaluation.resampling.n_boot,
        "seed": evaluation.resampling.seed,
        "warnings": " ".join(row.warnings),
    }
    return {name: _cell(flat[name]) for name in COLUMNS}


def _arm(name: str, arm: ArmSummary) -> dict[str, object]:
    values = (arm.mean.value, arm.mean.low, arm.mean.high, arm.median, arm.q1, arm.q3, arm.best_bin.value)
    return {f"{name}_{part}": value for part, value in zip(_ARM, values, strict=True)}


def _three(name: str, prefix: str, estimate: Estimate) -> dict[str, object]:
    return {name: estimate.value, f"{prefix}_ci_low": estimate.low, f"{prefix}_ci_high": estimate.high}


def _adjusted(row: Row) -> Estimate:
    if isinstance(row.adjusted, Adjusted) and "tokens" in row.adjusted.effects:
        return row.adjusted.log_odds
    return Estimate.missing("lengths are not known")


def _percent(share: Estimate) -> object:
    return share.value if isinstance(share.value, NA) else 100 * share.value


def _methods(row: Row) -> str:
    """Which method made the intervals of the row: "BCa", or by part where they differ."""
    used = {
        "arms": {row.baseline.mean.method, row.finetuned.mean.method},
        "difference": {row.difference.method},
        "superiority": {row.prob_superiority.method},
        "rank-biserial": {row.rank_biserial.method},
        "alpha": {row.agreement.scores.alpha.method},
        "AC2": {row.agreement.scores.ac2.method},
    }
    named = {part: sorted(methods - {""}) for part, methods in used.items()}
    every = sorted({method for methods in named.values() for method in methods})
    if len(every) < 2:
        return "".join(every)
    return "; ".join(f"{part} {'/'.join(methods)}" for part, methods in named.items() if methods)


def _cell(value: object) -> Cell:
    if isinstance(value, NA) or value is None or value == "":
        return None
    if isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{value!r} is no cell of a table")
