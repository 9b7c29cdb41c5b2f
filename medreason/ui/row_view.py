"""One row of training data: as a conversation, and as the model will see it. Pure; all text is escaped here."""

import html
from collections.abc import Sequence

from medreason.data.rows import Row

LONGEST_SHOWN = 20_000
CELL = 140


def text(words: str, longest: int = LONGEST_SHOWN) -> str:
    """Text of a row as it may stand inside a block of HTML. Markdown ends such a block at an empty line, so line
    ends are written as characters."""
    cut = words if len(words) <= longest else words[:longest] + f" … ({len(words) - longest:,} characters more)"
    return html.escape(cut).replace("\r", "").replace("\n", "&#10;")


def rows_table(rows: Sequence[Row], first: int) -> str:
    """Rows in one line each, numbered from `first`."""
    if not rows:
        return '<p class="mr-note">There are no rows to show.</p>'
    body = "".join(
        f'<tr><th scope="row">{first + index:,}</th><td>{_short(row.question)}</td>'
        f"<td>{_short(row.thinking)}</td><td>{_short(row.response)}</td></tr>"
        for index, row in enumerate(rows)
    )
    return (
        '<div class="mr-scroll" tabindex="0" role="region" aria-label="Rows">'
        '<table class="mr-table mr-runs mr-rows"><thead><tr><th scope="col">Row</th><th scope="col">Question</th>'
        f'<th scope="col">Thinking</th><th scope="col">Answer</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _short(words: str) -> str:
    flat = " ".join(words.split())
    return html.escape(flat if len(flat) <= CELL else flat[: CELL - 1].rsplit(" ", 1)[0] + "…")


def conversation(row: Row) -> str:
    """The row as people would read it: question, thinking, answer."""
    about = " · ".join(part for part in (row.specialty, row.source) if part)
    note = f'<p class="mr-note">{text(about, 200)}</p>' if about else ""
    parts = (
        ("Question", "question", row.question),
        ("Thinking", "thinking", row.thinking),
        ("Answer", "answer", row.response),
    )
    blocks = "".join(
        f'<div class="mr-said mr-said-{kind}"><b>{name}</b>{_scrolled(name, words)}</div>'
        for name, kind, words in parts
    )
    return f'<div class="mr-talk">{note}{blocks}</div>'


def _scrolled(name: str, words: str) -> str:
    """A long text in a box of its own, which can be scrolled by keyboard."""
    return f'<div class="mr-pre" tabindex="0" role="region" aria-label="{name}">{text(words)}</div>'


def as_trained(segments: Sequence[tuple[str, str]], tokens: int, trained_tokens: int, cut_tokens: int) -> str:
    """The row as the model will see it. `segments` are texts with what happens to each: "read", "learned" or
    "cut". What is learned has a name and a line at its side, not only a colour."""
    blocks = "".join(
        f'<div class="mr-seg mr-seg-{kind}"><b>{NAMES[kind]}</b>{_scrolled(NAMES[kind], words)}</div>'
        for words, kind in segments
    )
    cut = f" {cut_tokens:,} tokens at its end are cut off." if cut_tokens else " Nothing is cut off."
    return (
        f'<div class="mr-seen"><p class="mr-note">{tokens:,} tokens, of which {trained_tokens:,} are learned from.'
        f"{cut}</p>{blocks}</div>"
    )


NAMES = {
    "read": "Only read: no loss on this",
    "learned": "Learned: the loss is on this",
    "cut": "Cut off: the model never sees this",
}
