"""The first part of Train: choose data, look at them, say what is kept, prepare them.

Knows nothing of files or the hub: it asks `services.desk`, looks again while something is being read or prepared,
and shows the same after a reload.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from medreason.domain.dataset import COLUMNS, DEFAULT_CONFIG, DEFAULT_DATASET, SourceKind
from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.data_desk import Asked, Desk, columns_text, mapping_of
from medreason.services.services import Services
from medreason.ui import data_view, render, train_prepare, train_prepared, train_rows
from medreason.ui.asking import Asking, shown
from medreason.ui.changes import Shown, changed_of, looks, words

LOOK_EVERY_S = 0.7
KINDS = (
    ("Embedded cases", "curriculum"),
    ("Prepared data", "prepared"),
    ("Hugging Face Hub", "hub"),
    ("A file", "file"),
)
READ_AS = dict(zip(COLUMNS, ("Question", "Thinking", "Answer"), strict=True))
NOT_USED = ""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass
class DataPart:
    """What train.py wires. `view` shows the desk, and `shows(desk)` says how; `sent` holds what was sent last, and
    `said` one sentence on what was done."""

    rows: train_rows.RowsPart
    keep: train_prepare.PreparePart
    card: train_prepared.Card
    skip: gr.Checkbox
    timer: gr.Timer
    view: list[Any]
    sent: gr.State
    said: gr.Markdown
    shows: Callable[[Desk], list[Shown]]
    after: Callable[..., list[Any]]


def build(services: Services, ask: Asking) -> DataPart:
    data = services.desk
    cases = {case.case_id: case for case in services.cases}
    uploaded = gr.State("")
    sent = gr.State([])
    with gr.Row(elem_classes="mr-fields", equal_height=False):
        kind = gr.Dropdown(list(KINDS), value="curriculum", label="Source", min_width=260)
        with gr.Column(visible=False, min_width=260) as of_prepared:
            prepared = gr.Dropdown([], label="Prepared data", info="Each was checked and measured once.")
        with gr.Column(visible=False, min_width=260) as of_hub:
            place = gr.Textbox(DEFAULT_DATASET, label="Data set", info="Hub id, owner/name.", max_lines=1)
        with gr.Column(visible=False, min_width=260) as of_hub_too:
            with gr.Row():
                config = gr.Textbox(
                    DEFAULT_CONFIG, label="Configuration", info="Such as en.", max_lines=1, min_width=120
                )
                revision = gr.Textbox(
                    "", label="Data revision", info="Empty: the newest.", max_lines=1, min_width=120
                )
        with gr.Column(visible=False, min_width=260) as of_file:
            path = gr.Textbox(
                "",
                label="Path of the file",
                info="On the computer that MedReason runs on: JSONL, JSON, CSV or Parquet.",
                max_lines=1,
            )
        with gr.Column(visible=False, min_width=260) as of_file_too:
            upload = gr.UploadButton(
                "Or upload a file…", file_types=[".jsonl", ".json", ".csv", ".parquet"], size="md"
            )
            named = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    with gr.Row(elem_classes="mr-actions"):
        look = gr.Button("Look at the data", variant="primary", scale=0, min_width=190)
        delete = gr.Button("Delete these data…", visible=False, scale=0, min_width=200)
        yes = gr.Button("Yes, delete them", visible=False, scale=0, min_width=180, elem_classes="mr-delete")
        no = gr.Button("Keep them", visible=False, scale=0, min_width=140)
    work = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    said = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    with gr.Column(visible=False) as found:
        line = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        faults = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        skip = gr.Checkbox(
            False, label="Yes, use the good rows and leave the faulty ones out", visible=False, container=False
        )
        with gr.Accordion("Columns, and what each is read as", open=False) as fold:
            columns = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            with gr.Row(elem_classes="mr-fields"):
                mapping = [gr.Dropdown([], label=f"{name} is in", min_width=200) for name in READ_AS.values()]
            with gr.Row(elem_classes="mr-actions"):
                again = gr.Button("Read again with these columns", scale=0, min_width=290)
    card = train_prepared.build(data, ask)
    rows = train_rows.build(data, ask)
    keep = train_prepare.build()
    timer = gr.Timer(LOOK_EVERY_S, active=False)
    pickers = [of_prepared, of_hub, of_hub_too, of_file, of_file_too]
    source = [kind, prepared, place, config, revision, path, uploaded]
    view = [*source, named, *pickers, delete, yes, no, work, found, line, faults, skip, fold, columns, *mapping]
    view += [*card.view, *rows.view, *keep.view, timer]

    def shows(desk: Desk) -> list[Shown]:
        asked, look_now = desk.asked, desk.look
        all_prepared = [one.name for one in data.datasets.prepared()]
        names = tuple(column.name for column in look_now.columns) if look_now else ()
        used = mapping_of(asked.columns, names) if look_now else dict.fromkeys(COLUMNS, "")
        choices = [("not in the data", NOT_USED), *((name, name) for name in names)]
        of_look = (asked, look_now.sha256) if look_now else None
        faulty = look_now.faulty_rows if look_now else 0
        return [
            Shown((asked.kind,), lambda: str(asked.kind)),
            Shown(
                (tuple(all_prepared), asked.place if asked.kind is SourceKind.PREPARED else ""),
                lambda: gr.Dropdown(
                    all_prepared,
                    value=asked.place if asked.place in all_prepared else next(iter(all_prepared), None),
                    interactive=bool(all_prepared),
                ),
            ),
            Shown(asked, lambda: asked.place if asked.kind is SourceKind.HUB else DEFAULT_DATASET),
            Shown(asked, lambda: asked.config if asked.kind is SourceKind.HUB else DEFAULT_CONFIG),
            Shown(asked, lambda: asked.revision),
            Shown(asked, lambda: asked.place if asked.kind is SourceKind.FILE and not asked.uploaded else ""),
            Shown(asked, lambda: asked.place if asked.uploaded else ""),
            words(data_view.uploaded_note(asked.name) if asked.uploaded else ""),
            *(looks(gr.Column, visible=one) for one in _pickers_of(str(asked.kind))),
            looks(gr.Button, visible=asked.kind is SourceKind.PREPARED and desk.prepared is not None),
            looks(gr.Button, visible=False),
            looks(gr.Button, visible=False),
            words(data_view.work_view(desk.work, ("look",))),
            looks(gr.Column, visible=look_now is not None and desk.prepared is None),
            words(
                data_view.found_line(look_now.name, look_now.rows_read, faulty, look_now.notes) if look_now else ""
            ),
            words(data_view.faults_list(look_now.faults, faulty) if look_now else ""),
            Shown((of_look, bool(faulty)), lambda: gr.Checkbox(False, visible=faulty > 0)),
            Shown((of_look,), lambda: gr.Accordion(open=bool(look_now and not look_now.rows))),
            words(
                data_view.columns_table(look_now.columns, {used[one]: READ_AS[one] for one in COLUMNS})
                if look_now
                else ""
            ),
            *(Shown((of_look, used[one]), partial(gr.Dropdown, choices, value=used[one])) for one in COLUMNS),
            *train_prepared.shows(data, desk, cases),
            *train_rows.shows(data, desk),
            *train_prepare.shows(data, desk),
            looks(gr.Timer, active=desk.busy),
        ]

    def asked_of(values: tuple[Any, ...], mapped: str = "") -> Asked:
        chosen, name, hub, hub_config, hub_revision, file, file_up = values
        match chosen:
            case "prepared":
                return Asked(SourceKind.PREPARED, name or "")
            case "hub":
                return Asked(SourceKind.HUB, hub.strip(), hub_config.strip(), hub_revision.strip(), mapped)
            case "file" if file.strip():
                return Asked(SourceKind.FILE, file.strip(), columns=mapped)
            case "file":
                if not file_up:
                    raise MedReasonError("No file was named. Give its path, or upload it.")
                return Asked(SourceKind.FILE, file_up, columns=mapped, uploaded=True, name=Path(file_up).name)
        return Asked()

    def after(request: gr.Request, before: list[Any], did: Callable[[User], Any], told: str = "") -> list[Any]:
        """Do it, then show what has changed on the desk; a refusal is shown instead, and changes nothing."""
        user = ask.user(request)
        try:
            did(user)
        except MedReasonError as fault:
            told = render.fault(str(fault))
        return [told, *changed_of(shows(data.of(user)), before)]

    @shown
    def choose(chosen: str) -> list[Any]:
        return [*(gr.Column(visible=one) for one in _pickers_of(chosen)), *[gr.Button(visible=False)] * 3]

    @shown
    def take_upload(file: str | None) -> list[Any]:
        return [file or "", "", data_view.uploaded_note(Path(file).name) if file else ""]

    @shown
    def look_at(request: gr.Request, before: list[Any], *values: Any) -> list[Any]:
        def begin(user: User) -> None:
            asked = asked_of(values)
            if asked.kind is SourceKind.PREPARED:
                data.open(user, asked.place)
            else:
                data.look(user, asked)

        return after(request, before, begin)

    @shown
    def open_prepared(request: gr.Request, before: list[Any], chosen: str, name: str | None) -> list[Any]:
        """A list that the server fills tells of itself too, so only what somebody chose anew is opened."""
        desk = data.of(ask.user(request))
        if chosen != "prepared" or not name or (desk.prepared is not None and desk.prepared.name == name):
            return [gr.skip()] * (len(view) + 2)
        return after(request, before, lambda user: data.open(user, name))

    @shown
    def look_again(request: gr.Request, before: list[Any], *values: Any) -> list[Any]:
        mapped = columns_text(dict(zip(COLUMNS, values[-len(COLUMNS) :], strict=True)))
        return after(request, before, lambda user: data.look(user, asked_of(values[: -len(COLUMNS)], mapped)))

    @shown
    def count_again(request: gr.Request, before: list[Any], leave_out: bool, *values: Any) -> list[Any]:
        return after(
            request,
            before,
            lambda user: data.count(user, train_prepare.read_preparation(values, leave_out)),
        )

    @shown
    def delete_data(request: gr.Request, before: list[Any], name: str | None) -> list[Any]:
        said_now = render.status(f"{name} was deleted. Runs that learned from it stay as they are.")
        return after(request, before, lambda user: data.delete(user, name or ""), said_now)

    outputs = [said, *view, sent]
    kind.input(choose, [kind], [*pickers, delete, yes, no], **PRIVATE)
    upload.upload(take_upload, [upload], [uploaded, path, named], **PRIVATE)
    look.click(look_at, [sent, *source], outputs, **PRIVATE)
    prepared.input(open_prepared, [sent, kind, prepared], outputs, **PRIVATE)
    again.click(look_again, [sent, *source, *mapping], outputs, **PRIVATE)
    keep.count.click(count_again, [sent, skip, *keep.fields], [keep.said, *view, sent], **PRIVATE)
    delete.click(lambda: [gr.Button(visible=True)] * 2, None, [yes, no], **PRIVATE)
    no.click(lambda: [gr.Button(visible=False)] * 2, None, [yes, no], **PRIVATE)
    yes.click(delete_data, [sent, prepared], outputs, **PRIVATE)
    return DataPart(rows, keep, card, skip, timer, view, sent, said, shows, after)


def _pickers_of(kind: str) -> list[bool]:
    """Which of the columns with fields of a source are seen."""
    return [kind == "prepared", kind == "hub", kind == "hub", kind == "file", kind == "file"]
