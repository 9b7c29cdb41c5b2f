"""What a rater may say of themselves: asked with the text about taking part, changed from the desk. Pure."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from medreason.domain.rater import MOST_YEARS, PROFESSIONS, SPECIALTIES, RaterFacts
from medreason.errors import MedReasonError
from medreason.services.reading import counted
from medreason.ui.rate_markup import NOTICE, button, heading, screen

WHY = (
    "Optional. It describes the raters in the exported table, beside your pseudonym and never your name. "
    "You can change it later."
)


def fields(facts: RaterFacts) -> str:
    """Three fields, none of them required."""
    years = "" if facts.years is None else str(facts.years)
    return (
        '<div class="rate-about">'
        f"{_choice('What are you by profession?', 'profession', PROFESSIONS, facts.profession)}"
        f"{_choice('Your specialty', 'specialty', SPECIALTIES, facts.specialty)}"
        f'<label><b>Years in practice</b> <input type="text" inputmode="numeric" maxlength="3" data-field="years" '
        f'value="{years}" autocomplete="off"></label></div><p class="q-hint">{WHY}</p>'
    )


def _choice(title: str, name: str, choices: Sequence[str], chosen: str) -> str:
    options = "".join(
        f'<option value="{html.escape(one)}"{" selected" if one == chosen else ""}>'
        f"{html.escape(one) or 'Rather not say'}</option>"
        for one in ("", *choices)
    )
    return f'<label><b>{title}</b> <select data-field="{name}">{options}</select></label>'


def read(asked: Mapping[str, Any]) -> RaterFacts:
    """What the fields said. Raises `MedReasonError` in plain words."""
    years = str(asked.get("years") or "").strip()
    if years and not (years.isascii() and years.isdigit()):
        raise MedReasonError(
            f"Not saved yet: write years in practice as a whole number from 0 to {MOST_YEARS}, or leave it empty."
        )
    return RaterFacts(
        str(asked.get("profession") or ""), str(asked.get("specialty") or ""), int(years) if years else None
    )


def line(facts: RaterFacts) -> str:
    """One line on the desk, with the way to change it."""
    if facts.told:
        years = "" if facts.years is None else f"{counted(facts.years, 'year')} in practice"
        said = "; ".join(part for part in (facts.profession, facts.specialty, years) if part)
        return _line(f"About you: {html.escape(said)}.", "Change")
    return _line(
        "You have not said what you are by profession. It is optional, and helps to read the table.", "Say it"
    )


def _line(words: str, press: str) -> str:
    return (
        f'<div class="rate-waits rate-you"><span class="mr-note">{words}</span>'
        f"{button(press, 'about', label=f'{press}: about you')}</div>"
    )


def page(facts: RaterFacts) -> str:
    return screen(
        "about",
        f'{heading("About you")}<div data-form class="rate-ask">{fields(facts)}<div class="rate-buttons">'
        f"{button('Keep this', 'told', True)}{button('Back without a change', 'leave')}</div></div>{NOTICE}",
    )
