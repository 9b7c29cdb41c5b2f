"""Prepared data on the desk: what was kept, what overlaps with the cases, how long the rows are."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.case import Case
from medreason.errors import MedReasonError
from medreason.services.data_desk import DataDesk, Desk
from medreason.text.lengths import proposal_sentence
from medreason.ui import data_view
from medreason.ui.asking import Asking, shown
from medreason.ui.changes import Shown, looks, words
from medreason.ui.length_chart import cut_sentences, length_charts

USUAL_CUTS = (1024, 2048, 4096)
SHORTEST, LONGEST = 32, 32768


@dataclass
class Card:
    """`use` makes the data those of the settings; `view` are the components that `shows` is about."""

    use: gr.Button
    view: list[Any]


def build(data: DataDesk, ask: Asking) -> Card:
    with gr.Column(visible=False) as card:
        head = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        use = gr.Button("Train on these data", variant="primary", scale=0, min_width=220)
        with gr.Row(elem_classes="mr-pair", equal_height=False):
            with gr.Column(min_width=360):
                kept = gr.Markdown("", sanitize_html=False)
                overlap = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            with gr.Column(min_width=360):
                chart = gr.Markdown("", sanitize_html=False)
                cut_at = gr.Number(
                    1024,
                    label="Cut off at, in tokens",
                    info="Moves the line in the chart. What a run uses is in Settings.",
                    precision=0,
                    step=128,
                )

    @shown
    def move_line(request: gr.Request, at: float | None) -> Any:
        made = data.of(ask.user(request)).prepared
        if made is None or at is None or not SHORTEST <= at <= LONGEST:
            return gr.skip()
        return lengths_view(data, made.name, int(at))

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    cut_at.input(move_line, [cut_at], [chart], trigger_mode="always_last", **private)
    return Card(use, [card, head, kept, overlap, chart, cut_at])


def shows(data: DataDesk, desk: Desk, cases: dict[str, Case]) -> list[Shown]:
    """How the components of `view` look when other data come to the desk."""
    made = desk.prepared
    if made is None:
        return [looks(gr.Column, visible=False), *[words("")] * 4, Shown(None, gr.skip)]
    longest = made.proposed_max_length
    return [
        looks(gr.Column, visible=True),
        words(data_view.prepared_head(made)),
        words(data_view.stages(made.counts)),
        words(data_view.overlaps_view(made.overlaps, cases)),
        Shown(made, lambda: lengths_view(data, made.name, longest)),
        Shown(made, lambda: longest),
    ]


def lengths_view(data: DataDesk, name: str, cut_at: int) -> str:
    """Charts of prepared data with the line at `cut_at`, and what that and the usual cut-offs do, in words."""
    try:
        lengths = data.datasets.lengths(name)
    except MedReasonError as fault:
        return data_view.note(str(fault))
    if not lengths.whole:
        return ""
    said = cut_sentences(lengths, sorted({cut_at, *USUAL_CUTS}))
    return f"<div>{length_charts(lengths, cut_at)}{said}{data_view.note(proposal_sentence(lengths))}</div>"
