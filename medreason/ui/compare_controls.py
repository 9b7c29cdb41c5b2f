"""The buttons of Compare, and which of them can be pressed at what moment."""

from typing import Any

import gradio as gr

from medreason.services.pair_view import PairView
from medreason.ui import answer_view, render

ANSWERING = "Both models are answering. Stop keeps what they have said."
ANSWERING_BLIND = (
    "Both models are answering. Their answers appear together once both are there, so that speed tells nothing."
)


class Controls:
    """What asks, what goes on from an answer, and the line that says what to do next. The updates of `running`,
    `ended`, `blank` and `said` are in the order of `components`."""

    def build_asking(self) -> None:
        self.send = gr.Button("Send", variant="primary", interactive=False, scale=0, min_width=180)
        self.stop = gr.Button("Stop", interactive=False, scale=0, min_width=100)
        self.fresh = gr.Button("New conversation", interactive=False, scale=0, min_width=190)

    def build_status(self) -> None:
        self.status = gr.Markdown("", sanitize_html=False)

    def build_going_on(self, can_rate: bool = True) -> None:
        self._can_rate = can_rate
        with gr.Row(elem_classes="mr-actions"):
            self.rate = gr.Button("Rate this pair", interactive=False, visible=can_rate, scale=0, min_width=160)
            self.go_on = gr.Button("Continue", interactive=False, scale=0, min_width=130)
            self.again = gr.Button("Regenerate", interactive=False, scale=0, min_width=140)
            self.edit = gr.Button("Edit the question", interactive=False, scale=0, min_width=200)
            self.back = gr.Button("Previous version", visible=False, scale=0, min_width=190)
            self.version = gr.Markdown("", sanitize_html=False, elem_classes="mr-version-line")
            self.forth = gr.Button("Next version", visible=False, scale=0, min_width=160)

    @property
    def components(self) -> list[Any]:
        return [
            *(self.send, self.stop, self.fresh, self.status, self.rate, self.go_on, self.again, self.edit),
            *(self.back, self.version, self.forth),
        ]

    def said(self, line: str) -> list[Any]:
        """Only the line changes."""
        updates: list[Any] = [gr.skip()] * len(self.components)
        updates[3] = line
        return updates

    def blank(self) -> list[Any]:
        """Nothing asked yet."""
        off = gr.Button(interactive=False)
        hidden = gr.Button(visible=False)
        return [_ready(), off, off, "", off, off, off, off, hidden, "", hidden]

    def running(self, pair: PairView) -> list[Any]:
        off = gr.Button(interactive=False)
        hidden = gr.Button(visible=False)
        line = render.status(ANSWERING_BLIND if pair.blinded else ANSWERING)
        return [
            *(gr.Button("Send", interactive=False), gr.Button(interactive=True), off, line),
            *(off, off, off, off, hidden, answer_view.version_note(pair), hidden),
        ]

    def ended(self, pair: PairView) -> list[Any]:
        several = pair.versions > 1
        return [
            _ready(),
            gr.Button(interactive=False),
            gr.Button(interactive=True),
            render.status(answer_view.next_step(pair, self._can_rate)),
            gr.Button(interactive=pair.whole),
            gr.Button(interactive=pair.can_continue),
            gr.Button(interactive=True),
            gr.Button("Edit the question", interactive=True),
            gr.Button(visible=several, interactive=pair.version > 1),
            answer_view.version_note(pair),
            gr.Button(visible=several, interactive=pair.version < pair.versions),
        ]


def _ready() -> gr.Button:
    return gr.Button("Send", interactive=True)
