"""The evaluation as markup: table, warnings, figures, what only describes. Pure: values in, markup out.

Every text is escaped and on one line, so that the page's Markdown never parses it.
"""

from collections.abc import Sequence

from medreason.domain.arms import ARMS
from medreason.domain.pack import PackData
from medreason.figures import svg
from medreason.figures.drawing import Figure
from medreason.services.assessing import Assessment
from medreason.services.descriptive import Descriptive
from medreason.services.descriptive_lines import decimals
from medreason.services.readable import ReadableRow
from medreason.services.reading import counted, minus, signed
from medreason.services.table_cells import HEAD
from medreason.stats.by_case import BETTER, EVEN_CASE, WORSE
from medreason.stats.lengths import Described
from medreason.ui import results_folds
from medreason.ui.results_markup import escaped, fold

NOTHING = (
    '<div class="mr-empty">No ratings yet. Open Rate, or ask a case in Compare and press Rate this pair.</div>'
)
COMPUTING = (
    '<div class="mr-status" role="status">Computing intervals from {0}; they will be here in a moment. '
    "You can go on elsewhere.</div>"
)
EXPLORATORY = '<p><span class="mr-chip">Exploratory: not blinded by protocol</span></p>'
BLIND = (
    '<p class="mr-note">The study is not unblinded: progress and agreement only. Whoever looks at the arms sooner '
    "is recorded, and every table from then on says “interim”.</p>"
)
ARM_COLUMNS = {"Baseline": "baseline", "Fine-tuned": "finetuned"}
CELL_WORDS = {
    BETTER: "won by the fine-tuned model",
    EVEN_CASE: "tied",
    WORSE: "won by the baseline",
}
FOREST = "forest_"
FEW_HIGH = 1_800


def evaluation(made: Assessment, left_out: str = "") -> str:
    """Sentence, main table, warnings, and behind folds the further rows, the raters, and how to read it all."""
    table, exploratory = made.readable, made.data.study.mode == "exploratory"
    further = ""
    if table.further:
        further = fold(counted(len(table.further), "further outcome"), _table(table.further, "Further outcomes"))
    warnings = "".join(f"<li>{escaped(one)}</li>" for one in table.warnings)
    notes = "".join(f"<li>{escaped(one)}</li>" for one in table.notes)
    return (
        f"<div>{EXPLORATORY if exploratory else ''}{_left_out(left_out)}"
        f'<p class="results-sentence">{escaped(table.sentence)}</p>'
        f"{_table(table.main, 'Evaluation table')}"
        f'<p class="mr-note">A number under W/T/L shows its cases below.</p>'
        + (f'<div class="mr-warn"><b>Read with it</b><ul>{warnings}</ul></div>' if warnings else "")
        + f"{further}{results_folds.gravest(made)}{results_folds.further(made)}"
        + f"{results_folds.secondary(made)}{results_folds.quality(made)}"
        + fold("How to read the table", f'<ul class="mr-note results-notes">{notes}</ul>')
        + "</div>"
    )


def computing(data: PackData, left_out: str = "") -> str:
    return f"<div>{_left_out(left_out)}{COMPUTING.format(counted(len(data.ratings), 'score'))}</div>"


def progress(data: PackData, agreement: str) -> str:
    """While blind: how far the raters are, and how far they agree."""
    done: dict[str, set[str]] = {}
    for row in data.ratings:
        if row.case_kind == "study":
            done.setdefault(row.rater_id, set()).add(row.case_id)
    planned = data.study.planned_cases
    of = f" of {planned:,}" if planned else ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(rater)}</th><td>{len(cases):,}{of}</td></tr>'
        for rater, cases in sorted(done.items())
    )
    table = (
        '<table class="mr-table results-progress" aria-label="Progress"><thead><tr><th scope="col">Rater</th>'
        f'<th scope="col">Cases rated</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    return f'<div>{BLIND}{table if rows else NOTHING}<p class="results-sentence">{escaped(agreement)}</p></div>'


def drawings(figures: Sequence[Figure]) -> str:
    """Every figure, those with a row for each case behind a fold of their own."""
    plain = "".join(f"<figure>{svg.inline(one)}</figure>" for one in figures if not one.name.startswith(FOREST))
    forests = "".join(f"<figure>{svg.inline(one)}</figure>" for one in figures if one.name.startswith(FOREST))
    if not plain and not forests:
        return ""
    every = ""
    if forests:
        few = sum(one.height for one in figures if one.name.startswith(FOREST)) < FEW_HIGH
        every = fold("Difference in every case", f'<div class="results-figures">{forests}</div>', few)
    return f'<div><h2 class="results-head">Figures</h2><div class="results-figures">{plain}</div>{every}</div>'


def description(found: Descriptive, memory: Sequence[str] = ()) -> str:
    """Measures under their own rule: they describe, they do not judge."""
    title = '<div class="results-rule"><h2>Descriptive, not correctness</h2></div>'
    if not found.n:
        return (
            f'<div>{title}<p class="mr-note">Lengths and speed appear here once a pair has been rated.</p></div>'
        )
    rows = "".join(f'<tr><th scope="row">{escaped(one.name)}</th>{_measured(one)}</tr>' for one in found.measures)
    head = (
        '<thead><tr><th scope="col">Measure, mean (median)</th><th scope="col" class="baseline">Baseline</th>'
        '<th scope="col" class="finetuned">Fine-tuned</th><th scope="col">Δ</th><th '
        'scope="col">pairs</th></tr></thead>'
    )
    weights = "".join(f'<p class="mr-note">{escaped(one)}</p>' for one in memory)
    cut = " and ".join(f"{found.truncated[arm]} of the {arm.label.lower()}’s" for arm in ARMS)
    return (
        f'<div>{title}<table class="mr-table results-small" aria-label="Descriptive measures">{head}'
        f"<tbody>{rows}</tbody></table>"
        f'<p class="mr-note">Over {counted(found.n, "rated pair")}; Δ is the mean difference of a pair. '
        f"Ended at the token budget: {cut} answers. A longer trace is not a deeper one, and a word of reasoning "
        f"is not a reason.</p>{weights}{_prompts(found)}</div>"
    )


def _table(rows: Sequence[ReadableRow], name: str) -> str:
    head = "".join(f'<th scope="col"{_arm_class(column)}>{escaped(column)}</th>' for column in HEAD)
    body = "".join(_row(row) for row in rows)
    return (
        f'<table class="mr-table results-table" aria-label="{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _row(row: ReadableRow) -> str:
    metric, *rest = row.cells
    cells = "".join(
        f'<td data-label="{escaped(column)}">{_cell(row, column, text)}</td>'
        for column, text in zip(HEAD[1:], rest, strict=True)
    )
    why = f'<span class="mr-note results-why">{escaped(row.reason)}</span>' if row.reason else ""
    name, _, scale = metric.partition(" (")
    hint = f' <span class="mr-note results-why">{escaped(scale.rstrip(")"))}</span>' if scale else ""
    return f'<tr><th scope="row">{escaped(name)}{hint}{why}</th>{cells}</tr>'


def _cell(row: ReadableRow, column: str, text: str) -> str:
    counts = text.split("/")
    if column != "W/T/L" or len(counts) != len(CELL_WORDS):
        return escaped(text)
    return "/".join(
        f'<button type="button" class="results-drill" data-drill="{escaped(row.outcome)} {verdict}" '
        f'aria-label="{count} cases {words}: show them">{count}</button>'
        for count, (verdict, words) in zip(counts, CELL_WORDS.items(), strict=True)
    )


def _arm_class(column: str) -> str:
    return f' class="{ARM_COLUMNS[column]}"' if column in ARM_COLUMNS else ""


def _left_out(words: str) -> str:
    return f'<p class="results-filtered">{escaped(words)}</p>' if words else ""


def _measured(one: Described) -> str:
    places = decimals(one)

    def both(mean: float | None, median: float | None) -> str:
        return f"{minus(mean or 0.0, places)} ({minus(median or 0.0, places)})"

    return (
        f"<td>{both(one.baseline_mean, one.baseline_median)}</td>"
        f"<td>{both(one.finetuned_mean, one.finetuned_median)}</td>"
        f"<td>{signed(one.difference or 0.0, places)}</td><td>{one.n:,}</td>"
    )


def _prompts(found: Descriptive) -> str:
    if not found.prompts:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(one.case)}</th><td>{one.thinking[0]:,}</td><td>{one.thinking[1]:,}</td>'
        f"<td>{one.answer[0]:,}</td><td>{one.answer[1]:,}</td>"
        f"<td>{signed(sum(pair[1] - pair[0] for pair in (one.thinking, one.answer)), 0)}</td></tr>"
        for one in found.prompts
    )
    names = ("Thinking, baseline", "Thinking, fine-tuned", "Answer, baseline", "Answer, fine-tuned", "Δ in all")
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Case", *names))
    return fold(
        "Tokens of every prompt",
        '<div class="results-scroll" tabindex="0" role="region" aria-label="Tokens of every prompt">'
        f'<table class="mr-table results-small" aria-label="Tokens of every prompt"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
    )
