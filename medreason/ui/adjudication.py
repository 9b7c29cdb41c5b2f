"""Settling what raters differ about: the most disputed values, and one set beside them with a reason."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.services import Services
from medreason.services.typed import LikelyIdentifiers
from medreason.ui import render, study_progress
from medreason.ui.asking import Asking, shown

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
ABOUT = (
    '<p class="mr-note">What you settle stands beside the raters\' own values, which stay as they are. '
    "Agreement is reckoned from the raters' values alone. Answers are called X and Y; nothing tells which is "
    "which.</p>"
)


@dataclass
class Adjudication:
    """`view` are the components that `shows` fills for a study."""

    view: list[Any]
    shows: Any


def build(services: Services, ask: Asking, study: gr.Dropdown) -> Adjudication:
    gr.Markdown(ABOUT, sanitize_html=False)
    table = gr.Markdown(sanitize_html=False, latex_delimiters=[], elem_classes="study-text")
    which = gr.Dropdown([], label="To settle", info="Most disputed first.")
    value = gr.Radio(
        [], label="Settled value", info="Its points come with what is chosen above.", elem_classes="study-points"
    )
    reason = gr.Textbox("", label="Why this value", lines=2, max_length=2000)
    sure = gr.Checkbox(False, label="The reason identifies nobody: keep it", visible=False, container=False)
    settle = gr.Button("Set it beside the raters' values", scale=0, min_width=240)
    said = gr.Markdown(sanitize_html=False, latex_delimiters=[])
    view = [table, which, value, reason, sure]

    def shows(user: User, name: str) -> list[Any]:
        rows = services.settling.disputed(user, name) if name else ()
        choices = [study_progress.dispute_choice(one) for one in rows]
        listed = gr.Dropdown(choices=choices, value=None, interactive=bool(choices))
        return [
            study_progress.disputed(rows),
            listed,
            gr.Radio(choices=[], value=None),
            "",
            gr.Checkbox(False, visible=False),
        ]

    @shown
    def choose(chosen: str | None) -> Any:
        item = (chosen or "").rpartition("|")[2]
        return gr.Radio(choices=study_progress.points(item) if item else [], value=None)

    @shown
    def settle_it(
        request: gr.Request, name: str, chosen: str | None, given: str | None, why: str, nobody: bool
    ) -> list[Any]:
        user = ask.user(request)
        if not chosen or given is None:
            return [render.fault("Choose what to settle and its value first."), *[gr.skip()] * len(view)]
        case_id, answer, sample, item = chosen.rsplit("|", 3)
        try:
            services.settling.adjudicate(
                user, name, case_id, answer, item, int(given), why or "", int(sample), identifiers_ok=bool(nobody)
            )
        except LikelyIdentifiers as warning:
            return [render.fault(str(warning)), *[gr.skip()] * (len(view) - 1), gr.Checkbox(visible=True)]
        except MedReasonError as fault:
            return [render.fault(str(fault)), *[gr.skip()] * len(view)]
        return [render.status("Settled, and recorded with the reason."), *shows(user, name)]

    which.input(choose, [which], [value], **PRIVATE)
    settle.click(settle_it, [study, which, value, reason, sure], [said, *view], **PRIVATE)
    return Adjudication(view, shows)
