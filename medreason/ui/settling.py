"""Settling marks: every mark that raters set, and what the lead decides about each, with a reason."""

from typing import Any

import gradio as gr

from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.services import Services
from medreason.services.study_views import Marked
from medreason.services.typed import LikelyIdentifiers
from medreason.ui import marks_list, render
from medreason.ui.adjudication import PRIVATE, Adjudication
from medreason.ui.asking import Asking, shown

ABOUT = (
    '<p class="mr-note">A mark stays as its rater set it; what you settle stands beside it and goes into the '
    "exported marks. When a rater changes a rating, the marks of the change are settled anew.</p>"
)
SAME_TEXT = "Only marks in the same text of the same answer."


def build(services: Services, ask: Asking, study: gr.Dropdown) -> Adjudication:
    gr.Markdown(ABOUT, sanitize_html=False)
    table = gr.Markdown(sanitize_html=False, latex_delimiters=[], elem_classes="study-text")
    which = gr.Dropdown([], label="Mark to settle")
    verdict = gr.Radio(marks_list.VERDICTS, label="What holds", elem_classes="study-points")
    other = gr.Dropdown([], label="The other mark", info=SAME_TEXT, visible=False)
    reason = gr.Textbox("", label="Why this holds of the mark", lines=2, max_length=2000)
    sure = gr.Checkbox(False, label="The reason identifies nobody: keep it", visible=False, container=False)
    settle = gr.Button("Set it beside the mark", scale=0, min_width=220)
    said = gr.Markdown(sanitize_html=False, latex_delimiters=[])
    view = [table, which, verdict, other, reason, sure]

    def shows(user: User, name: str) -> list[Any]:
        rows = services.settling.marks(user, name) if name else ()
        choices = [marks_list.choice(one) for one in rows]
        return [
            marks_list.table(rows),
            gr.Dropdown(choices=choices, value=None, interactive=bool(choices)),
            gr.Radio(value=None),
            gr.Dropdown(choices=[], value=None, visible=False),
            "",
            gr.Checkbox(False, visible=False),
        ]

    @shown
    def choose_mark(request: gr.Request, name: str, mark: str | None, wanted: str | None) -> Any:
        rows: tuple[Marked, ...] = services.settling.marks(ask.user(request), name) if mark else ()
        choices = [marks_list.choice(one) for one in marks_list.beside(rows, mark or "")]
        return gr.Dropdown(choices=choices, value=None, visible=wanted == marks_list.MERGED)

    @shown
    def settle_mark(
        request: gr.Request,
        name: str,
        mark: str | None,
        wanted: str | None,
        into: str | None,
        why: str,
        identifies_nobody: bool,
    ) -> list[Any]:
        user = ask.user(request)
        if not mark or not wanted:
            return [render.fault("Choose a mark and what holds of it first."), *[gr.skip()] * len(view)]
        try:
            services.settling.settle_mark(
                user, name, mark, wanted, why or "", into or "", identifiers_ok=bool(identifies_nobody)
            )
        except LikelyIdentifiers as warning:
            return [render.fault(str(warning)), *[gr.skip()] * (len(view) - 1), gr.Checkbox(visible=True)]
        except MedReasonError as fault:
            return [render.fault(str(fault)), *[gr.skip()] * len(view)]
        return [render.status("Settled, and recorded with the reason."), *shows(user, name)]

    for chosen in (which, verdict):
        chosen.input(choose_mark, [study, which, verdict], [other], **PRIVATE)
    settle.click(settle_mark, [study, which, verdict, other, reason, sure], [said, *view], **PRIVATE)
    return Adjudication(view, shows)
