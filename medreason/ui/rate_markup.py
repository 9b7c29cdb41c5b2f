"""The pieces that every screen of Rate is made of: the screen itself, its heading, its buttons. Pure."""

import html
from typing import Any

from medreason.ui.marks_view import attribute

NOTICE = '<div class="rate-notice" role="alert"></div>'


def screen(name: str, inside: str) -> str:
    """One screen, with the place where the page says what has not worked."""
    return f'<div class="rate-screen at-{name}" data-screen="{name}">{inside}</div>'


def button(words: str, act: str, main: bool = False, label: str = "", **give: Any) -> str:
    """`label` is said in place of the words where these alone would not tell which one is meant."""
    kind = ' class="rate-main"' if main else ""
    name = f' aria-label="{html.escape(label)}"' if label else ""
    return (
        f'<button type="button"{kind}{name} data-act="{act}" data-give="{attribute(give)}">{html.escape(words)}'
        "</button>"
    )


def heading(words: str) -> str:
    return f'<h2 data-focus tabindex="-1">{html.escape(words)}</h2>'
