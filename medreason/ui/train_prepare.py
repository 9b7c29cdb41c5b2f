"""What is kept of the raw data on the desk, and under which name they are prepared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.dataset import Preparation, SourceKind
from medreason.domain.setting import settings_of
from medreason.services.data_desk import DataDesk, Desk
from medreason.ui import data_view
from medreason.ui.changes import Shown, looks, words
from medreason.ui.form import field, read_form

FIELDS = ("min_thinking_chars", "max_rows", "eval_fraction", "seed", "drop_duplicates")


@dataclass
class PreparePart:
    """`fields` are the settings in the order of `read_preparation`; `view` are the components that `shows` is
    about."""

    fields: list[Any]
    name: gr.Textbox
    count: gr.Button
    prepare: gr.Button
    as_is: gr.Button
    said: gr.Markdown
    view: list[Any]


def build() -> PreparePart:
    with gr.Column(visible=False) as section:
        gr.Markdown("## Keep and prepare", elem_classes="mr-part")
        with gr.Row(elem_classes="mr-fields"):
            fields = [field(one) for one in settings_of(Preparation) if one.name in FIELDS]
        stages = gr.Markdown("", sanitize_html=False)
        with gr.Row(elem_classes="mr-actions"):
            count = gr.Button("Count again", scale=0, min_width=150)
            name = gr.Textbox("", label="Name of the prepared data", max_lines=1, scale=1, min_width=240)
            prepare = gr.Button("Prepare data", variant="primary", scale=0, min_width=170)
            as_is = gr.Button("Use without preparing", scale=0, min_width=240)
        said = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        work = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    return PreparePart(fields, name, count, prepare, as_is, said, [section, stages, name, as_is, work])


def read_preparation(values: Sequence[Any], skip: bool) -> Preparation:
    """The preparation of the fields' values; raises `Invalid` with every fault."""
    return read_form(Preparation, [*FIELDS, "skip_faulty_rows"], [*values, bool(skip)])


def shows(data: DataDesk, desk: Desk) -> list[Shown]:
    """How the components of `view` look when other data come to the desk."""
    look = desk.look if desk.prepared is None else None
    return [
        looks(gr.Column, visible=bool(look and look.rows)),
        words(data_view.stages(desk.counts) if desk.counts else data_view.NOT_COUNTED),
        Shown(
            (desk.asked, look.sha256) if look else None, lambda: data.free_name(_name_for(desk)) if look else ""
        ),
        looks(gr.Button, visible=not desk.asked.uploaded),
        words(data_view.work_view(desk.work, ("count", "prepare"))),
    ]


def _name_for(desk: Desk) -> str:
    asked = desk.asked
    if asked.kind is SourceKind.HUB:
        return asked.place.rsplit("/", 1)[-1]
    if asked.kind is SourceKind.FILE and desk.look is not None:
        return desk.look.name.rsplit(".", 1)[0]
    return asked.place
