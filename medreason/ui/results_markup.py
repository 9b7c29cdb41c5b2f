"""How a text gets into the markup of Results: as it is, in one line, parsed neither as HTML nor as Markdown."""

import html


def escaped(text: str) -> str:
    return html.escape(text).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "&#10;")


def fold(summary: str, inside: str, opened: bool = False) -> str:
    """Markup behind a summary of plain words."""
    state = " open" if opened else ""
    return f'<details class="results-fold"{state}><summary>{escaped(summary)}</summary>{inside}</details>'
