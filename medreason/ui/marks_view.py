"""Passages that can be marked, as the page draws them, and the marks that come back from it. Pure.

A text goes to the page whole and unparsed, inside one escaped attribute; `static/marks.js` draws it as plain
paragraphs that carry their start in code points. What comes back is user input: kinds, bounds and number are
checked here and by `domain.span`, and every mark is laid on the text that was shown (`Span.fits`).
"""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from medreason.domain.arms import Side
from medreason.domain.judgement import MOST_SPANS
from medreason.domain.span import SEVERITIES, TYPE_WORDS, Basis, Span, SpanType, Target
from medreason.errors import MedReasonError
from medreason.ui.rate_items import question

Texts = Mapping[tuple[Side, Target], tuple[str, str]]
"""Text and its SHA-256 by the place where they are shown."""

BASIS_WORDS = {
    Basis.OWN: "My own knowledge",
    Basis.LOOKED_UP: "I looked it up",
    Basis.CANNOT_VERIFY: "I cannot verify it",
}
TARGET_WORDS = {Target.TRACE: "thinking", Target.ANSWER: "answer"}
NOT_SAVED = (
    "Not saved: a mark no longer fits the text it was made on. Remove it in the list of marks and make it again."
)


def passage(side: Side, target: Target, text: str, sha256: str) -> str:
    """One text that can be marked. Empty until the script has drawn it, so that nothing else parses it."""
    name = f"{side.label}: {TARGET_WORDS[target]}"
    doc = {"side": side, "target": target, "text": text, "sha256": sha256, "name": name}
    return (
        f'<div class="mk-text mk-{target}" data-passage="{attribute(doc)}" tabindex="0" role="region" '
        f'aria-label="{name}"></div>'
    )


def attribute(doc: Any) -> str:
    """A value as JSON in one escaped attribute."""
    return html.escape(json.dumps(doc, ensure_ascii=True))


def marks_of(side: Side) -> str:
    """Below a side's texts: how to mark, the list of marks, and the way to note that something is missing."""
    return (
        f'<div class="mk-tools" data-side="{side}">'
        '<p class="mr-note">Select words to mark what is invented or wrong. With the keyboard: go to a text, '
        "press <kbd>M</kbd>, select with Shift and the arrows, press <kbd>M</kbd> again.</p>"
        f'<ol class="mk-list" aria-label="{side.label}: marks" tabindex="-1"></ol>'
        f'<button type="button" class="rate-small" data-omission="{side}">'
        f'Note something missing<span class="mr-away"> on the {side}</span></button></div>'
    )


def desk() -> str:
    """The small panel in which a mark gets its kind, severity and basis. It lies over the foot of the page,
    so that nothing moves when it opens."""
    kinds = [(str(kind), words) for kind, words in TYPE_WORDS.items() if kind is not SpanType.OMISSION]
    severities = [(str(level), words) for level, words in SEVERITIES.items()]
    bases = [(str(basis), words) for basis, words in BASIS_WORDS.items()]
    return (
        '<section class="mk-desk" hidden aria-label="Mark these words" data-stops data-kinds="'
        f'{attribute({str(kind): words for kind, words in TYPE_WORDS.items()})}" data-most="{MOST_SPANS}">'
        '<p class="mk-quote" tabindex="-1" role="status"></p><div class="mk-fields">'
        f"{question('mk-type', 'What is wrong with them?', kinds)}"
        f"{question('mk-severity', 'How much does it matter?', severities)}"
        f"{question('mk-basis', 'How do you know?', bases)}"
        '<label class="mk-note"><span>Source, or what is missing (optional)</span>'
        '<textarea rows="2" maxlength="1000"></textarea></label></div>'
        '<div class="rate-buttons"><button type="button" class="rate-main" data-mark="keep" data-last>Add the mark'
        '</button><button type="button" data-mark="cancel">Cancel <kbd aria-hidden="true">Esc</kbd></button>'
        '<p class="mr-note" role="status"></p></div></section>'
    )


def shown(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Stored marks as the page holds them."""
    return [
        {
            "side": str(span.side),
            "target": str(span.target),
            "start": span.start,
            "end": span.end,
            "quote": span.quote,
            "sha256": span.text_sha256,
            "type": str(span.type),
            "severity": span.severity,
            "basis": str(span.basis),
            "note": span.source_note,
        }
        for span in spans
    ]


def read(rows: Any, texts: Texts) -> tuple[Span, ...]:
    """The page's marks as values; raises `MedReasonError` where one is no mark on the texts shown."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MedReasonError(NOT_SAVED)
    if len(rows) > MOST_SPANS:
        raise MedReasonError(f"Not saved: keep to {MOST_SPANS} marks a case. What you have given is kept.")
    return tuple(_span(row, texts) for row in rows)


def _span(row: dict[str, Any], texts: Texts) -> Span:
    try:
        place = Side(row["side"]), Target(row["target"])
        span = Span(
            side=place[0],
            target=place[1],
            start=row["start"],
            end=row["end"],
            quote=row["quote"],
            text_sha256=row["sha256"],
            type=SpanType(row["type"]),
            severity=row["severity"],
            basis=Basis(row["basis"]),
            source_note=row["note"],
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise MedReasonError(NOT_SAVED) from fault
    text, sha256 = texts.get(place, ("", ""))
    if place not in texts or span.text_sha256 != sha256 or text[span.start : span.end] != span.quote:
        raise MedReasonError(NOT_SAVED)
    return span
