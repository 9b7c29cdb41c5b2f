"""The evaluation table as CSV, JSON, Markdown, Excel and LaTeX: the same numbers in every one."""

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from medreason.services.assessing import Assessment
from medreason.services.descriptive import descriptive
from medreason.services.descriptive_lines import as_markdown as below_a_rule
from medreason.services.export import csv_bytes, guard
from medreason.services.readable import as_markdown
from medreason.services.table_cells import HEAD
from medreason.services.tabulating import table_json
from medreason.stats.columns import COLUMNS, table

EPOCH = datetime(1980, 1, 1)
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "Δ": r"$\Delta$",
    "α": r"$\alpha$", "×": r"$\times$", "−": r"$-$", "–": "--", "’": "'", "‘": "`", "“": "``", "”": "''",
    "…": r"\ldots{}", "≥": r"$\geq$", "Σ": r"$\Sigma$", "½": r"$\frac12$",
}  # fmt: skip


def evaluation_files(made: Assessment) -> dict[str, bytes]:
    """Content by file name."""
    return {
        "evaluation_table.csv": csv_bytes(COLUMNS, table(made.evaluation)),
        "evaluation_table.json": table_json(made.evaluation, made.warnings).encode("utf-8"),
        "evaluation_table.md": f"{as_markdown(made.readable)}{below_a_rule(descriptive(made.data))}".encode(),
        "evaluation_table.xlsx": xlsx(made),
        "evaluation_table.tex": latex(made).encode("utf-8"),
    }


def xlsx(made: Assessment) -> bytes:
    """One sheet with every column and its numbers, one as people read it. No cell is a formula."""
    from openpyxl import Workbook

    book = Workbook()
    numbers = book.active
    numbers.title = "evaluation_table"
    _fill(numbers, [COLUMNS, *(tuple(row[name] for name in COLUMNS) for row in table(made.evaluation))])
    words = book.create_sheet("readable")
    said = [*made.readable.warnings, *made.readable.notes]
    _fill(
        words,
        [(made.readable.sentence,), HEAD, *(row.cells for row in made.readable.rows), *((one,) for one in said)],
    )
    written = io.BytesIO()
    book.save(written)
    return _timeless(written.getvalue())


def latex(made: Assessment) -> str:
    """A document of its own that needs nothing beyond LaTeX's base; the table stands between two marks."""
    readable = made.readable
    columns = "p{5cm}" + "r" * (len(HEAD) - 1)
    rows = [" & ".join(map(escaped, row.cells)) + r" \\" for row in readable.rows]
    notes = [rf"\item {escaped(words)}" for words in (*readable.warnings, *readable.notes)]
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[utf8]{inputenc}",
            r"\usepackage[a4paper,landscape,margin=15mm]{geometry}",
            r"\begin{document}",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{4pt}",
            rf"\noindent {escaped(readable.sentence)}\par\medskip",
            "% begin table",
            rf"\noindent\begin{{tabular}}{{{columns}}}",
            r"\hline",
            " & ".join(map(escaped, HEAD)) + r" \\",
            r"\hline",
            *rows,
            r"\hline",
            r"\end{tabular}",
            "% end table",
            r"\begin{itemize}",
            *notes,
            r"\end{itemize}",
            r"\end{document}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """Text for LaTeX; what its base fonts lack becomes a question mark."""
    return "".join(LATEX.get(one, one if one.isascii() and one.isprintable() else "?") for one in text)


def _fill(sheet: Any, rows: Sequence[Sequence[object]]) -> None:
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            place = sheet.cell(row=number, column=column)
            if isinstance(value, str):
                place.value = guard(value)
                place.data_type = "s"
            else:
                place.value = value


def _timeless(book: bytes) -> bytes:
    """The same workbook without the moment of its making, so that equal data give equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _without_times(content)
            new.writestr(zipfile.ZipInfo(name, EPOCH.timetuple()[:6]), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _without_times(core: bytes) -> bytes:
    return re.sub(rb"(<dcterms:(created|modified)[^>]*>)[^<]*", rb"\g<1>1980-01-01T00:00:00Z", core)
