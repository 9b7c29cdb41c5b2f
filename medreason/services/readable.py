"""The evaluation table in the shape that people read: a sentence, rows of words, warnings and notes.

Everything is plain text; whoever shows it escapes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medreason.services.in_words import sentence
from medreason.services.table_cells import HEAD, cells, reasons
from medreason.stats.estimate import NA
from medreason.stats.evaluation import Evaluation
from medreason.stats.rows import Row

MAIN = ("D", "F", "H", "major_hallucination", "coherence", "preference")
HOW_TO_READ = (
    "Δ is fine-tuned minus baseline. W/T/L: cases that the fine-tuned model won, tied and lost. PS: the chance "
    "that the fine-tuned answer is the better one, ties halved; 0.50 is no difference. p: exact sign-flip test "
    "over cases (McNemar for shares), adjusted by Holm over the three axes and by Benjamini–Hochberg (BH) over "
    "the other rows. α: Krippendorff, AC2: Gwet, quadratic. “–”: no number can be given."
)
FOOTNOTE = "Reasoning depth scores the text that was written, not how the model computed it."


@dataclass(frozen=True)
class ReadableRow:
    """One row: its outcome id, the cells under `HEAD`, and why there are no numbers where there are none."""

    outcome: str
    cells: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class Readable:
    """The six rows of the article's shape first, then every other outcome that was rated."""

    sentence: str
    main: tuple[ReadableRow, ...]
    further: tuple[ReadableRow, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> tuple[ReadableRow, ...]:
        return (*self.main, *self.further)


def readable(evaluation: Evaluation, warnings: Sequence[str]) -> Readable:
    main = tuple(evaluation.row(outcome) for outcome in MAIN)
    further = tuple(row for row in evaluation.rows if row.outcome.id not in MAIN and row.n_paired)
    return Readable(
        sentence=sentence(evaluation),
        main=_rows(main),
        further=_rows(further),
        warnings=tuple(warnings),
        notes=(HOW_TO_READ, FOOTNOTE, *reasons(evaluation, main)),
    )


def as_text(table: Readable) -> str:
    """For a terminal: columns of equal width, then warnings and notes."""
    lines = [HEAD, *(row.cells for row in table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    drawn = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]
    drawn.insert(1, "  ".join("-" * width for width in widths))
    said = [f"! {warning}" for warning in table.warnings]
    return "\n".join([table.sentence, "", *drawn, "", *said, *([""] if said else []), *table.notes]) + "\n"


def as_markdown(table: Readable) -> str:
    """A Markdown table with its sentence above, warnings and notes below."""
    lines = [f"| {' | '.join(HEAD)} |", f"|---|{'---:|' * (len(HEAD) - 1)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row.cells)} |" for row in table.rows]
    said = [f"- {words}" for words in (*table.warnings, *table.notes)]
    return "\n".join([table.sentence, "", *lines, "", *said]) + "\n"


def _rows(rows: Sequence[Row]) -> tuple[ReadableRow, ...]:
    return tuple(ReadableRow(row.outcome.id, cells(row), _reason(row)) for row in rows)


def _reason(row: Row) -> str:
    return row.difference.value.reason if isinstance(row.difference.value, NA) else ""
