"""The evaluation table as people read it: cells, signs, and one sentence that claims no more than it."""

from medreason.stats.table import PREFERENCE, EvaluationTable, Row

HOW_TO_READ = (
    "Scores run from 1 to 5, higher is better; Δ is fine-tuned minus baseline. The preference row counts the "
    "cases in which that answer was preferred; its Δ is the mean preference from −3 to +3, positive for "
    "fine-tuned. n counts cases. Differences are descriptive; no test was made."
)


def cells(row: Row) -> tuple[str, str, str, str, str]:
    """One row as people read it: Metric, Baseline, Fine-tuned, Δ, n."""
    n = f"{row.n_cases}"
    if row.difference is None or row.baseline is None or row.finetuned is None:
        return f"{row.label} ({row.reason})", "–", "–", "–", n
    if row.outcome == PREFERENCE:
        return (
            f"{row.label} ({row.ties} about the same)",
            f"{row.losses} of {row.n_cases}",
            f"{row.wins} of {row.n_cases}",
            signed(row.difference),
            n,
        )
    return row.label, f"{row.baseline:.1f}", f"{row.finetuned:.1f}", signed(row.difference), n


def signed(value: float, digits: int = 1) -> str:
    """With its sign and a true minus; what rounds to nothing has none."""
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0:.{digits}f}"
    return f"{'+' if rounded > 0 else '−'}{abs(rounded):,.{digits}f}"


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def in_words(table: EvaluationTable) -> str:
    """The table in one sentence that claims no more than its numbers."""
    if not table.n_ratings:
        return "No ratings yet."
    row = table.row(PREFERENCE)
    rests_on = f"{counted(table.n_cases, 'case')} rated by {counted(table.n_raters, 'person', 'people')}"
    if not row.n_cases:
        return f"Over {rests_on}, nobody could say which answer was better."
    unsaid = table.n_cases - row.n_cases
    return (
        f"Over {rests_on}, the fine-tuned answer was preferred in {row.wins} and the baseline’s in "
        f"{row.losses}; they were about the same in {row.ties}"
        + (f", and in {unsaid} nobody could say." if unsaid else ".")
    )
