"""Quantizing the base from the form: one button, its progress, and what was found.

Knows nothing of models or processes: it asks `services.quantizing`, and looks again while that is at work.
"""

from typing import Any

import gradio as gr

from medreason.errors import MedReasonError
from medreason.services.background import Work
from medreason.services.services import Services
from medreason.ui import render
from medreason.ui.asking import Asking, shown
from medreason.ui.quantize_view import words_of

LOOK_EVERY_S = 1.5
ABOUT = (
    '<p class="mr-note">Keeps a copy of the base in 4 bits (NF4) in the data folder and checks it against the '
    "base in 16 bits. Training and Compare then load it with less memory. On a GPU, Compare is put away "
    "meanwhile.</p>"
)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build(services: Services, ask: Asking, base: gr.Textbox, revision: gr.Textbox) -> None:
    """The button for the base that the form names, and what becomes of it."""
    gr.Markdown(ABOUT, sanitize_html=False)
    start = gr.Button("Quantize the base now", scale=0, min_width=220)
    said = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    timer = gr.Timer(LOOK_EVERY_S, active=False)
    view = [said, start, timer]

    def shows(work: Work | None) -> list[Any]:
        busy = work is not None and not work.done
        return [words_of(work), gr.Button(interactive=not busy), gr.Timer(active=busy)]

    @shown
    def begin(request: gr.Request, named: str, wanted: str) -> list[Any]:
        user = ask.user(request)
        try:
            return shows(services.quantizing.start(user, named.strip(), wanted.strip()))
        except MedReasonError as fault:
            return [render.fault(str(fault)), gr.skip(), gr.skip()]

    @shown
    def look_on(request: gr.Request) -> list[Any]:
        return shows(services.quantizing.of(ask.user(request)))

    start.click(begin, [base, revision], view, **PRIVATE)
    timer.tick(look_on, None, view, **PRIVATE)
    # After a reload work that goes on is shown again.
    gr.on(None, look_on, None, view, **PRIVATE)
