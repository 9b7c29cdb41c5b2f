"""Choosing an example: the specialty first, then one of its cases. A rater's list leaves out what is closed."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from medreason.domain.case import Case

OWN_CASE = "My own case"
EVERY = "All specialties"


class CasePicker:
    """The two lists. The ids of cases are the values; whoever uses one asks the service for the case."""

    def build(self, cases: Sequence[Case]) -> None:
        first = cases[0] if cases else None
        self.specialty = gr.Dropdown(
            specialties(cases),
            value=first.specialty if first else EVERY,
            label="Specialty",
            scale=1,
            min_width=180,
        )
        self.case = gr.Dropdown(
            choices(cases, first.specialty if first else EVERY),
            value=first.case_id if first else "",
            label="Case",
            scale=3,
        )


def specialties(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """Each with its number of cases, in the order of the alphabet."""
    named = sorted({case.specialty for case in cases if case.specialty})
    counted = [(name, sum(case.specialty == name for case in cases)) for name in named]
    return [(f"{EVERY} ({len(cases)})", EVERY), *((f"{name.capitalize()} ({n})", name) for name, n in counted)]


def choices(cases: Sequence[Case], specialty: str) -> list[tuple[str, str]]:
    """The cases of a specialty, or of all with the specialty in front, after the user's own."""
    mine = [case for case in cases if specialty in (EVERY, case.specialty)]
    front = {case.case_id: f"{case.specialty} · " if specialty == EVERY else "" for case in mine}
    return [(OWN_CASE, ""), *((front[case.case_id] + short(case.text), case.case_id) for case in mine)]


def picked(cases: Sequence[Case], case_id: str | None) -> Case | None:
    return next((case for case in cases if case.case_id == case_id), None)


def unchanged(cases: Sequence[Case], case_id: str | None, text: str | None) -> Case | None:
    """The picked case, if its text is still what is asked: an edited case is the user's own."""
    case = picked(cases, case_id)
    return case if case is not None and case.text.strip() == (text or "").strip() else None


def short(text: str, length: int = 72) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rsplit(" ", 1)[0] + "…"


def restored(cases: Sequence[Case], keep_empty: bool) -> list[Any]:
    """Updates of both lists for the user who has opened the page."""
    first = cases[0] if cases else None
    specialty = first.specialty if first else EVERY
    value = first.case_id if first and not keep_empty else ""
    return [
        gr.Dropdown(specialties(cases), value=specialty),
        gr.Dropdown(choices(cases, specialty), value=value),
    ]
