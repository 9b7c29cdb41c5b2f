"""The second part of Train: a starting point, every setting, what the run will need, and the start.

Knows nothing of files, models or processes: it asks `services.plan` what a configuration would do, with every key.
"""

import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from medreason.domain.training import TrainingConfig
from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.finetune.config_file import read_config
from medreason.finetune.presets import CPU_DEMO, DESCRIBED
from medreason.services.services import Services
from medreason.ui import plan_view, render, train_quantize, train_rows, train_where
from medreason.ui.asking import Asking, shown
from medreason.ui.form import build_form, form_values, read_form
from medreason.ui.preset_view import preset_line, preset_of

# What says which rows are used: kept when another starting point is taken for data that were prepared.
SCRIPTS = "python training_scripts"
OF_DATA = ("data", "data_config", "data_revision", "columns", "skip_faulty_rows", "max_rows")
MERGE = (
    '<p class="mr-note">Adds an adapter to its base for good, so that the result runs without PEFT, and checks '
    "that it says the same.</p>"
)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# What writes into the form or judges it happens in the order in which it was asked for: an answer that comes late
# would put back what somebody has just changed.
IN_TURN: dict[str, Any] = {**PRIVATE, "concurrency_id": "training form", "concurrency_limit": 1}


@dataclass
class SettingsPart:
    """What train.py wires. `fill(values)` gives the updates of `filled`: the starting point, the fields and what
    the panel says of them; `config_of` reads the fields' values. `status` says what became of a start."""

    form: dict[str, Any]
    fields: list[Any]
    filled: list[Any]
    status: gr.Markdown
    start: gr.Button
    anyway: gr.Button
    preset: gr.Dropdown
    fill: Callable[..., list[Any]]
    config_of: Callable[[Sequence[Any]], TrainingConfig]
    where: train_where.WherePart


def build(services: Services, ask: Asking) -> SettingsPart:
    with gr.Row(equal_height=False, elem_classes="mr-pair"):
        with gr.Column(scale=1, min_width=360):
            preset = gr.Dropdown(list(DESCRIBED), value=CPU_DEMO, label="Starting point")
            with gr.Row(elem_classes="mr-actions"):
                undo = gr.Button("Undo my changes", size="md", scale=0, min_width=190)
                load = gr.UploadButton(
                    "Load settings…", file_types=[".yaml", ".yml"], size="md", scale=0, min_width=190
                )
            taken = gr.State(None)  # the starting point that the server has filled in
            about = gr.Markdown(preset_line(CPU_DEMO, TrainingConfig()), sanitize_html=False)
            form = build_form(TrainingConfig)
            form["gpus"].visible = False  # shown where there is something to choose
        with gr.Column(scale=1, min_width=360):
            needs = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            findings = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            where = train_where.build(services, ask)
            with gr.Row(elem_classes="mr-actions"):
                start = gr.Button("Start training", variant="primary", scale=0, min_width=180)
                anyway = gr.Button("Start anyway", visible=False, scale=0, min_width=160)
            status = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            with gr.Accordion("Command and settings file", open=False):
                command = gr.Textbox(
                    "",
                    label="The same run from a terminal",
                    info="Run it in the folder of MedReason, beside the saved settings file.",
                    lines=2,
                    max_lines=4,
                    interactive=False,
                    buttons=["copy"],
                    elem_classes="mr-log",
                )
                link = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
                yaml = gr.Textbox(
                    "",
                    label="Settings file",
                    lines=8,
                    max_lines=8,
                    interactive=False,
                    buttons=["copy"],
                    elem_classes="mr-log",
                )
            with gr.Accordion("A row as it will be trained", open=False):
                with gr.Row(elem_classes="mr-actions"):
                    number = gr.Number(1, label="Row", precision=0, minimum=1, scale=0, min_width=120)
                    sample = gr.Button("Show the row", scale=0, min_width=150)
                row = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            with gr.Accordion("Quantize the base, merge an adapter", open=False):
                train_quantize.build(services, ask, form["base_model"], form["revision"])
                quantize = _command("The same from a terminal")
                gr.Markdown(MERGE, sanitize_html=False)
                merge = _command("Merge an adapter")
    names, fields = list(form), list(form.values())
    panel = [about, needs, findings, start, anyway, command, link, yaml, quantize, merge]
    filled = [preset, taken, *fields, *panel]

    def config_of(values: Sequence[Any]) -> TrainingConfig:
        return read_form(TrainingConfig, names, values)

    def panel_of(chosen: str | None, values: Sequence[Any]) -> list[Any]:
        """What the panel shows; where the settings are refused, why, and no estimate, which would be of others."""
        about_now: Any = gr.skip()
        try:
            config = config_of(values)
            about_now = preset_line(chosen, config, services.plan.machine().gpus)
            planned = services.plan.plan(config)
        except MedReasonError as fault:
            off = gr.Button(visible=False)
            return [about_now, "", render.fault(str(fault)), gr.skip(), off, "", "", "", gr.skip(), gr.skip()]
        warned = bool(planned.findings) and not planned.blocked
        base = shlex.quote(config.base_model)
        if config.revision:
            base += f" --revision {shlex.quote(config.revision)}"
        return [
            about_now,
            plan_view.estimate_view(planned.estimate, planned.machine, planned.rows),
            plan_view.findings_view(planned.findings),
            gr.Button(variant="secondary" if warned else "primary"),
            gr.Button(visible=warned, variant="primary"),
            planned.command,
            plan_view.download_link(config.run_name, planned.yaml),
            planned.yaml,
            f"{SCRIPTS}/quantize.py --model {base} --out FOLDER",
            f"{SCRIPTS}/merge_adapter.py --model {base} --adapter FOLDER --out FOLDER",
        ]

    def fill(values: Sequence[Any], chosen: str | None = None) -> list[Any]:
        with suppress(MedReasonError):  # what is refused is told by the panel
            chosen = chosen or preset_of(config_of(values))
        entered = dict(zip(names, values, strict=True))
        entered["gpus"] = gr.Number(
            value=entered["gpus"], visible=gpus_shown(entered["split_base"], entered["gpus"])
        )
        return [chosen, chosen, *entered.values(), *panel_of(chosen, values)]

    def gpus_shown(split: bool, gpus: float | None) -> bool:
        """Only where several GPUs are there, or asked for: by a base that is split over them, or by settings that
        came from elsewhere."""
        return services.plan.machine().gpus > 1 or split or gpus != 1

    def show_gpus(split: bool, gpus: float | None) -> Any:
        return gr.update(visible=gpus_shown(split, gpus))

    @shown
    def preview(request: gr.Request, chosen: str | None, *values: Any) -> list[Any]:
        with suppress(MedReasonError):  # what is refused is told by the panel and not kept
            services.drafts.keep(ask.user(request), config_of(values))
        return ["", *panel_of(chosen, values)]

    @shown
    def look_over(request: gr.Request, chosen: str | None, *values: Any) -> list[Any]:
        return preview(request, chosen, *values)[1:]

    def started_from(user: User, chosen: str, values: Sequence[Any]) -> list[Any]:
        """The form with a starting point's values; prepared data stay those to train on."""
        config = DESCRIBED[chosen].config
        entered = dict(zip(names, values, strict=True))
        if any(one.name == entered["data"] for one in services.desk.datasets.prepared()):
            config = replace(config, **{name: entered[name] for name in OF_DATA})
        config = replace(config, run_name=services.training.free_name(config.run_name))
        services.drafts.keep(user, config)
        return ["", *fill(form_values(form, config), chosen)]

    @shown
    def use_preset(request: gr.Request, chosen: str | None, before: str | None, *values: Any) -> list[Any]:
        """A list that the server fills tells of itself too, so only what somebody chose anew is filled in."""
        user = ask.user(request)
        if chosen is None or chosen == before or chosen not in DESCRIBED:
            return [gr.skip()] * (1 + len(filled))
        return started_from(user, chosen, values)

    @shown
    def undo_changes(request: gr.Request, chosen: str | None) -> list[Any]:
        user = ask.user(request)
        chosen = chosen if chosen in DESCRIBED else CPU_DEMO
        filled_in = started_from(user, chosen, form_values(form, DESCRIBED[chosen].config))
        return [render.status(f"The settings of {chosen} are in the form again."), *filled_in[1:]]

    @shown
    def show_sample(request: gr.Request, at: float | None, *values: Any) -> str:
        try:
            return train_rows.sample(services.desk, ask.user(request), at, config_of(values))
        except MedReasonError as fault:
            return render.fault(str(fault))

    @shown
    def load_settings(request: gr.Request, file: str | None) -> list[Any]:
        user = ask.user(request)
        if not file:
            return [gr.skip()] * (1 + len(filled))
        try:
            config = read_config(Path(file))
        except MedReasonError as fault:
            # Where the page keeps what was uploaded is nobody's business.
            said = render.fault(str(fault).replace(file, Path(file).name))
            return [said, *[gr.skip()] * len(filled)]
        services.drafts.keep(user, config)
        said = render.status(f"The settings of {Path(file).name} are in the form.")
        return [said, *fill(form_values(form, config))]

    # A list tells of one choice twice at once, which "always_last" does not take well.
    typed = [field.input for field in fields if not isinstance(field, gr.Dropdown)]
    picked = [field.input for field in fields if isinstance(field, gr.Dropdown)]
    for triggers, mode in ((typed, "always_last"), (picked, "multiple")):
        gr.on(triggers, preview, [preset, *fields], [status, *panel], trigger_mode=mode, **IN_TURN)
    form["split_base"].input(show_gpus, [form["split_base"], form["gpus"]], form["gpus"], **PRIVATE)
    # What was pasted is told by the field only when it is left; that may be on the way to Start, whose word stays.
    left = [field.blur for field in fields if isinstance(field, (gr.Textbox, gr.Number))]
    gr.on(left, look_over, [preset, *fields], panel, trigger_mode="always_last", **IN_TURN)
    preset.input(use_preset, [preset, taken, *fields], [status, *filled], **IN_TURN)
    undo.click(undo_changes, [preset], [status, *filled], **IN_TURN)
    sample.click(show_sample, [number, *fields], [row], **PRIVATE)
    load.upload(load_settings, [load], [status, *filled], **IN_TURN)
    return SettingsPart(form, fields, filled, status, start, anyway, preset, fill, config_of, where)


def _command(label: str) -> gr.Textbox:
    return gr.Textbox(
        "", label=label, lines=1, max_lines=3, interactive=False, buttons=["copy"], elem_classes="mr-log"
    )
