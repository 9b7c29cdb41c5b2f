"""Numbers of the evaluation as people read them: rounded, signed, with their interval, "–" where there is none."""

from medreason.services.reading import minus, signed
from medreason.stats.estimate import NA, Estimate, Number
from medreason.stats.evaluation import Evaluation
from medreason.stats.multiplicity import BENJAMINI_HOCHBERG, HOLM
from medreason.stats.outcomes import BINARY, CONTINUOUS, PAIRWISE
from medreason.stats.rows import Row

HEAD = (
    *("Metric", "Baseline", "Fine-tuned", "Δ (95 % CI)", "W/T/L", "PS (95 % CI)", "p (adjusted)"),
    *("α / AC2", "cases × raters"),
)
ADJUSTED = {HOLM: "Holm", BENJAMINI_HOCHBERG: "BH"}
NONE = "–"
DIRECTIONS = {1: "higher is better", -1: "lower is better", 0: ""}


def cells(row: Row) -> tuple[str, ...]:
    """One row under `HEAD`. Shares stand as per cent; a preference has cases in place of means."""
    if row.outcome.kind == PAIRWISE:
        baseline, finetuned = (_of_cases(count, row) for count in (row.losses, row.wins))
    else:
        baseline, finetuned = (value(row, arm.mean.value) for arm in (row.baseline, row.finetuned))
    return (
        metric(row),
        baseline,
        finetuned,
        difference(row),
        wins(row),
        with_interval(row.prob_superiority, 2),
        p_value(row.p_adjusted) + (f" ({_method(row)})" if not isinstance(row.p_adjusted, NA) else ""),
        f"{plain(row.agreement.scores.alpha.value)} / {plain(row.agreement.scores.ac2.value)}",
        f"{row.n_cases} × {row.n_raters}",
    )


def metric(row: Row) -> str:
    """The name of the outcome with its scale and direction."""
    outcome = row.outcome
    scale = ""
    if outcome.kind == BINARY:
        scale = "%"
    elif outcome.categories and outcome.kind != PAIRWISE:
        scale = f"{outcome.categories[0]}–{outcome.categories[-1]}"
    elif outcome.kind == PAIRWISE:
        scale = "cases; Δ from −3 to 3"
    said = ", ".join(
        part for part in (scale, "" if outcome.kind == PAIRWISE else DIRECTIONS[outcome.direction]) if part
    )
    return f"{outcome.label} ({said})" if said else outcome.label


def value(row: Row, number: Number) -> str:
    """One arm's number in the unit of the row."""
    if isinstance(number, NA):
        return NONE
    if row.outcome.kind == BINARY:
        return f"{100 * number:.1f} %"
    return f"{number:.{digits(row)}f}"


def difference(row: Row) -> str:
    """Fine-tuned minus baseline, with its interval; points of a per cent row are percentage points."""
    scale = 100 if row.outcome.kind == BINARY else 1
    return with_interval(row.difference, digits(row), scale, sign=True)


def digits(row: Row) -> int:
    return 1 if row.outcome.kind in (BINARY, CONTINUOUS) else 2


def with_interval(estimate: Estimate, decimals: int, scale: float = 1, sign: bool = False) -> str:
    """ "+0.80 (0.50 to 1.10)"; the number alone where there is no interval."""
    if isinstance(estimate.value, NA):
        return NONE
    shown = signed(estimate.value * scale, decimals) if sign else f"{estimate.value * scale:.{decimals}f}"
    if isinstance(estimate.interval, NA):
        return shown
    ends = (estimate.interval.low * scale, estimate.interval.high * scale)
    return f"{shown} ({' to '.join(minus(end, decimals) for end in ends)})"


def wins(row: Row) -> str:
    """Cases that the fine-tuned arm won, tied and lost."""
    counts = (row.wins, row.ties, row.losses)
    return NONE if any(isinstance(count, NA) for count in counts) else "/".join(str(count) for count in counts)


def p_value(p: Number) -> str:
    if isinstance(p, NA):
        return NONE
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def plain(number: Number, decimals: int = 2) -> str:
    return NONE if isinstance(number, NA) else minus(number, decimals)


def reasons(evaluation: Evaluation, rows: tuple[Row, ...]) -> tuple[str, ...]:
    """Why numbers of these rows are missing, each reason once with the rows it holds for."""
    found: dict[str, list[str]] = {}
    for row in rows:
        missing = row.difference.value
        if isinstance(missing, NA):
            found.setdefault(missing.reason, []).append(row.outcome.label.lower())
    return tuple(f"{', '.join(names).capitalize()}: {reason}." for reason, names in found.items())


def _of_cases(count: int | NA, row: Row) -> str:
    return NONE if isinstance(count, NA) else f"{count} of {row.n_cases}"


def _method(row: Row) -> str:
    return ADJUSTED.get(row.adjust_method, row.adjust_method)
