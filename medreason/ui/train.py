"""The Train tab: data, settings and start, runs; what leads from one to the next, and what a reload shows."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from medreason.domain.run import RunStatus
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError
from medreason.finetune.presets import CPU_DEMO, PRESETS
from medreason.services.data_desk import Desk
from medreason.services.services import Services
from medreason.ui import render, train_data, train_prepare, train_rows, train_runs, train_settings
from medreason.ui.asking import Asking, shown
from medreason.ui.changes import all_of, changed_of
from medreason.ui.form import form_values
from medreason.ui.train_prepared import LONGEST, SHORTEST
from medreason.ui.train_settings import IN_TURN

INTRO = (
    "Make a fine-tuned model of your own: an adapter that teaches the base model to think aloud before it "
    "answers. Settings holds a short demo run that suits a computer without a GPU."
)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass
class TrainTab:
    """What page.py wires: the button that leads to Compare, the run that it is about, and how to restore."""

    compare_button: gr.Button
    run_name: gr.Dropdown
    restore: Callable[..., Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking) -> TrainTab:
    training, desk_of = services.training, services.desk.of
    gr.Markdown(INTRO)
    live = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    with gr.Tabs(selected="settings", elem_id="train") as parts:
        with gr.Tab("Data", id="data"):
            data = train_data.build(services, ask)
        with gr.Tab("Settings and start", id="settings"):
            settings = train_settings.build(services, ask)
        with gr.Tab("Runs", id="runs") as runs_tab:
            runs = train_runs.build(services, ask, live)
    used = gr.State(0)  # how many data sets made on the desk this page has put into the form
    filled, names = settings.filled, list(settings.form)
    desk_outputs = [data.said, *data.view, data.sent]
    kept = [gr.skip()] * len(filled)
    started_outputs = [settings.status, parts, *runs.view, *filled]

    def with_data(
        user: User, chosen: str | None, values: Sequence[Any], desk: Desk, leave_out: bool = False
    ) -> list[Any]:
        """The form with the data on the desk as its training data; where they were measured, with a longest row
        that suits them."""
        asked, made = desk.asked, desk.prepared
        changes: dict[str, Any] = dict.fromkeys(("data_config", "data_revision", "columns"), "")
        if made is not None:
            changes |= {"data": made.name, "max_rows": 0, "skip_faulty_rows": False}
            changes["max_length"] = min(max(made.proposed_max_length, SHORTEST), LONGEST)
        else:
            changes |= {"data": asked.place, "data_config": asked.config, "data_revision": asked.revision}
            changes |= {"columns": asked.columns, "skip_faulty_rows": leave_out}
        entered = list((dict(zip(names, values, strict=True)) | changes).values())
        with suppress(MedReasonError):  # what is refused is told by the panel and not kept
            services.drafts.keep(user, settings.config_of(entered))
        return settings.fill(entered, chosen)

    def here(user: User, config: TrainingConfig, despite_warnings: bool) -> RunStatus:
        """Start on this machine, unless something blocks it or a warning has not been overridden."""
        planned = services.plan.plan(config)
        if planned.blocked:
            raise MedReasonError("The run cannot start until what is marked “Cannot start” is mended.")
        if planned.findings and not despite_warnings:
            raise MedReasonError("Read the warnings first. To start in spite of them, press Start anyway.")
        return training.start(user, config, needed_bytes=planned.needed_bytes)

    def begin(user: User, values: tuple[Any, ...], despite_warnings: bool) -> list[Any]:
        """Start where the form says, and show the run."""
        stays = [gr.skip()] * (len(started_outputs) - 1)
        try:
            config = settings.config_of(values[: len(names)])
            user.require(Action.TRAIN)
            cluster = settings.where.cluster_of(user, values[len(names) :])
            started = (
                training.start(user, config, cluster=cluster) if cluster else here(user, config, despite_warnings)
            )
        except MedReasonError as fault:
            return [render.fault(str(fault)), *stays]
        following = replace(config, run_name=training.free_name(config.run_name))
        services.drafts.keep(user, following)
        said = f"Run {started.name} has started."
        return [
            render.status(f"{said} It is shown in Runs."),
            gr.Tabs(selected="runs"),
            *runs.updates(started, render.status(said)),
            *settings.fill(form_values(settings.form, following)),
        ]

    @shown
    def start(request: gr.Request, *values: Any) -> list[Any]:
        return begin(ask.user(request), values, despite_warnings=False)

    @shown
    def start_anyway(request: gr.Request, *values: Any) -> list[Any]:
        return begin(ask.user(request), values, despite_warnings=True)

    @shown
    def watch_desk(
        request: gr.Request, before: list[Any], taken: int, chosen: str | None, *values: Any
    ) -> list[Any]:
        """Polled while data are read or prepared; puts what was prepared into the form, and ends its own timer."""
        user = ask.user(request)
        desk = desk_of(user)
        form, told = kept, gr.skip()
        if desk.made > taken and desk.prepared is not None:
            form = with_data(user, chosen, values, desk)
            told = render.status(_ready_words(desk))
        return [told, *changed_of(data.shows(desk), before), desk.made, *form]

    @shown
    def prepare(request: gr.Request, before: list[Any], leave_out: bool, name: str, *values: Any) -> list[Any]:
        count = len(data.keep.fields)

        def go(user: User) -> None:
            preparation = train_prepare.read_preparation(values[:count], leave_out)
            base, revision = values[count:]
            services.desk.prepare(user, name.strip(), preparation, base.strip(), revision.strip())

        return data.after(request, before, go)

    @shown
    def use_data(request: gr.Request, leave_out: bool, chosen: str | None, *values: Any) -> list[Any]:
        user = ask.user(request)
        return [gr.Tabs(selected="settings"), *with_data(user, chosen, values, desk_of(user), bool(leave_out))]

    @shown
    def show_row(request: gr.Request, number: float | None, *values: Any) -> list[str]:
        return train_rows.one_row(services.desk, ask.user(request), number, *values)

    @shown
    def clone(request: gr.Request, name: str | None) -> list[Any]:
        user = ask.user(request)
        config = training.config(name or "")
        config = replace(config, run_name=training.free_name(config.run_name))
        services.drafts.keep(user, config)
        said = render.status(f"The settings of {name} are in the form, under a new name.")
        return [said, gr.Tabs(selected="settings"), *settings.fill(form_values(settings.form, config))]

    @shown
    def restore(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        desk = desk_of(user)
        config = services.drafts.kept(user) or PRESETS[CPU_DEMO]
        config = replace(config, run_name=training.free_name(config.run_name))
        return [
            gr.Tabs(selected="runs") if training.current() is not None else gr.skip(),
            "",
            *all_of(data.shows(desk)),
            desk.made,
            *settings.fill(form_values(settings.form, config)),
            *runs.updates(runs.found(None)),
            *settings.where.restore(),
        ]

    form = settings.form
    met = [form[name] for name in ("base_model", "revision", "max_length", "text_format")]
    given = [*settings.fields, *settings.where.inputs]
    settings.start.click(start, given, started_outputs, **IN_TURN)
    settings.anyway.click(start_anyway, given, started_outputs, **IN_TURN)
    data.timer.tick(
        watch_desk, [data.sent, used, settings.preset, *settings.fields], [*desk_outputs, used, *filled], **IN_TURN
    )
    data.keep.prepare.click(
        prepare,
        [data.sent, data.skip, data.keep.name, *data.keep.fields, form["base_model"], form["revision"]],
        [data.keep.said, *data.view, data.sent],
        **PRIVATE,
    )
    for button in (data.keep.as_is, data.card.use):
        button.click(use_data, [data.skip, settings.preset, *settings.fields], [parts, *filled], **IN_TURN)
    for trigger in (data.rows.show.click, data.rows.number.submit):
        trigger(show_row, [data.rows.number, *met], data.rows.both, **PRIVATE)
    runs.clone.click(clone, [runs.run], [settings.status, parts, *filled], **IN_TURN)
    runs_tab.select(runs.look, runs.look_inputs, runs.view, **PRIVATE)
    return TrainTab(
        compare_button=runs.compare,
        run_name=runs.run,
        restore=restore,
        restore_outputs=[parts, *desk_outputs, used, *filled, *runs.view, *settings.where.restore_outputs],
    )


def _ready_words(desk: Desk) -> str:
    made = desk.prepared
    if made is None:
        return ""
    return (
        f"{made.name} is prepared: {made.counts.train:,} rows to learn from, {made.counts.held_out:,} held out. "
        f"The form in Settings now trains on it, with a longest row of {made.proposed_max_length:,} tokens."
    )
