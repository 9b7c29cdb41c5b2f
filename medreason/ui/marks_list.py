"""Marks as the lead sees them: in a table, and one a line to choose from. Pure; answers are X and Y."""

import html
from collections.abc import Sequence

from medreason.services.study_views import Marked
from medreason.ui.rate_sheet import escaped
from medreason.ui.study_table import line, table_of

MERGED = "merged"
VERDICTS = [
    ("It stands", "yes"),
    ("It does not stand", "no"),
    ("It says the same as another mark", MERGED),
]
SETTLED = {"": "–", "yes": "stands", "no": "does not stand"}
TARGETS = {"trace": "in the thinking", "answer": "in the answer"}
NO_MARK = '<div class="mr-empty">No rater has marked anything yet.</div>'
MOST_WORDS = 60


def table(rows: Sequence[Marked]) -> str:
    if not rows:
        return NO_MARK
    shown = "".join(_row(one) for one in rows)
    return line(table_of(("Mark", "Where", "Rater", "Words", "What is wrong", "Known from", "Settled"), shown))


def _row(one: Marked) -> str:
    note = f": {escaped(one.note)}" if one.note else ""
    return (
        f'<tr><th scope="row">{one.id}</th><td>{html.escape(_place(one))}</td><td>{one.rater}</td>'
        f"<td>{_words(one)}</td><td>{html.escape(f'{one.type}. {one.severity}')}</td>"
        f"<td>{html.escape(one.basis)}{note}</td><td>{settled(one)}</td></tr>"
    )


def settled(one: Marked) -> str:
    return f"the same as {one.merged_into or 'an earlier mark'}" if one.verdict == MERGED else SETTLED[one.verdict]


def choice(one: Marked) -> tuple[str, str]:
    """One line of the list, and what names it."""
    flat = " ".join(one.quote.split()) or "left out"
    short = flat if len(flat) <= MOST_WORDS else flat[: MOST_WORDS - 1].rstrip() + "…"
    return f"{one.id} · {_place(one)} · {one.rater}: {short} ({one.type.lower()})", one.id


def beside(rows: Sequence[Marked], name: str) -> list[Marked]:
    """The other marks in the same text, those that are not merged themselves."""
    mine = next((one for one in rows if one.id == name), None)
    if mine is None:
        return []
    return [one for one in rows if one.id != name and _text(one) == _text(mine) and one.verdict != MERGED]


def _text(one: Marked) -> tuple[str, str, int, str]:
    return one.case_id, one.answer, one.sample, one.target


def _place(one: Marked) -> str:
    sample = f", sample {one.sample}" if one.sample > 1 else ""
    return f"{one.case_id}, answer {one.answer}{sample}, {TARGETS[one.target]}"


def _words(one: Marked) -> str:
    return f"“{escaped(one.quote)}”" if one.quote else "left out"
