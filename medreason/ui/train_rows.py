"""The rows of the data on the desk: a page of them, one as a conversation, the same as the model will see it."""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from medreason.data.rows import Row
from medreason.data.sources import source_of
from medreason.domain.dataset import SourceKind
from medreason.domain.training import TrainingConfig
from medreason.domain.user import User
from medreason.errors import MedReasonError, NotReady
from medreason.services.data_desk import DataDesk, Desk
from medreason.ui import render, row_view
from medreason.ui.asking import Asking, shown
from medreason.ui.changes import Shown, looks, words

A_PAGE = 8
NOT_YET = '<p class="mr-note">Press Show this row to see it here as the model will meet it, token for token.</p>'
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass
class RowsPart:
    """`view` are the components that `shows` is about. `wire` connects the fields of the settings that decide how
    the model meets a row: base model, revision, longest row, text format."""

    view: list[Any]
    number: gr.Number
    show: gr.Button
    both: list[Any]


def total(desk: Desk) -> int:
    """How many rows can be looked at."""
    if desk.prepared is not None:
        return desk.prepared.counts.train + desk.prepared.counts.held_out
    return len(desk.look.rows) if desk.look else 0


def rows_of(data: DataDesk, desk: Desk, start: int, count: int) -> tuple[Row, ...]:
    if desk.prepared is not None:
        return data.datasets.rows(desk.prepared.name, start, count)
    return desk.look.rows[start : start + count] if desk.look else ()


def build(data: DataDesk, ask: Asking) -> RowsPart:
    with gr.Column(visible=False) as section:
        gr.Markdown("## Rows", elem_classes="mr-part")
        line = gr.Markdown("", sanitize_html=False)
        table = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        start = gr.State(0)
        with gr.Row(elem_classes="mr-actions"):
            back = gr.Button("Rows before", scale=0, min_width=150)
            ahead = gr.Button("Rows after", scale=0, min_width=150)
            number = gr.Number(1, label="Row", precision=0, minimum=1, scale=0, min_width=120)
            show = gr.Button("Show this row", scale=0, min_width=160)
        with gr.Row(elem_classes="mr-pair", equal_height=False):
            with gr.Column(min_width=360):
                gr.Markdown("### As a conversation", elem_classes="mr-part")
                talk = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            with gr.Column(min_width=360):
                gr.Markdown("### As the model will see it", elem_classes="mr-part")
                seen = gr.Markdown(NOT_YET, sanitize_html=False, latex_delimiters=[])

    def turn(request: gr.Request, at: int, by: int) -> list[Any]:
        desk = data.of(ask.user(request))
        first = max(0, min(at + by, max(0, total(desk) - 1)))
        first -= first % A_PAGE
        return [first, row_view.rows_table(rows_of(data, desk, first, A_PAGE), first + 1), first + 1]

    @shown
    def rows_before(request: gr.Request, at: int) -> list[Any]:
        return turn(request, at, -A_PAGE)

    @shown
    def rows_after(request: gr.Request, at: int) -> list[Any]:
        desk = data.of(ask.user(request))
        return turn(request, at, A_PAGE if at + A_PAGE < total(desk) else 0)

    back.click(rows_before, [start], [start, table, number], **PRIVATE)
    ahead.click(rows_after, [start], [start, table, number], **PRIVATE)
    return RowsPart([section, line, table, start, number, talk, seen], number, show, [talk, seen])


def shows(data: DataDesk, desk: Desk) -> list[Shown]:
    """How the components of `view` look when other data come to the desk."""
    count = total(desk)
    of_what = (desk.asked, desk.look.sha256 if desk.look else "", desk.prepared.name if desk.prepared else "")
    rows = rows_of(data, desk, 0, A_PAGE) if count else ()
    said = (
        f"{count:,} rows: those to learn from, then those held out."
        if desk.prepared
        else f"The first {count:,} good rows."
    )
    return [
        looks(gr.Column, visible=count > 0),
        words(f'<p class="mr-note">{said}</p>'),
        words(row_view.rows_table(rows, 1)),
        Shown(of_what, lambda: 0),
        Shown(of_what, lambda: gr.Number(1, maximum=max(1, count))),
        words(row_view.conversation(rows[0]) if rows else ""),
        Shown(of_what, lambda: NOT_YET),
    ]


def one_row(
    data: DataDesk, user: User, number: float | None, base: str, revision: str, longest: Any, text_format: str
) -> list[str]:
    """A row as a conversation and as the model will see it with these settings; a refusal takes the place of
    either."""
    desk = data.of(user)
    at = int(number or 1) - 1
    found = rows_of(data, desk, at, 1) if at >= 0 else ()
    if not found:
        return [render.fault(f"There is no row {at + 1:,}. Choose one from 1 to {total(desk):,}."), ""]
    asked = desk.asked
    try:
        config = replace(
            TrainingConfig(),
            base_model=str(base).strip(),
            revision=str(revision).strip(),
            max_length=longest,
            text_format=text_format,
            data=desk.prepared.name if desk.prepared else asked.place,
            data_config=asked.config,
            data_revision=asked.revision,
            columns=asked.columns,
        )
        return [row_view.conversation(found[0]), _as_trained(data, at, config)]
    except MedReasonError as fault:
        return [row_view.conversation(found[0]), render.fault(str(fault))]


def sample(data: DataDesk, user: User, number: float | None, config: TrainingConfig) -> str:
    """A row of the data that a configuration trains on, as the model will see it. Raises `MedReasonError` where
    there is none, and for hub data that would have to be fetched for it."""
    asked = data.of(user).asked
    at_hub = _kind(data, config) is SourceKind.HUB
    if at_hub and (asked.place, asked.config, asked.revision) != (
        config.data,
        config.data_config,
        config.data_revision,
    ):
        raise NotReady("These data have not been read yet. Look at them in Data first.")
    return _as_trained(data, int(number or 1) - 1, config)


def _as_trained(data: DataDesk, at: int, config: TrainingConfig) -> str:
    seen = data.datasets.as_seen(config.data, at, config)
    return row_view.as_trained(seen.segments, seen.tokens, seen.trained_tokens, seen.cut_tokens)


def _kind(data: DataDesk, config: TrainingConfig) -> SourceKind:
    given = (config.data, config.data_config, config.data_revision, config.columns)
    return source_of(*given, data.datasets.folder).kind
