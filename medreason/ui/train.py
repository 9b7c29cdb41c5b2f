"""The Train tab: a form, one button, and the run as its files tell it.

Knows nothing of processes or files: it asks `services.training`, looks again while a run is live, and shows the
same after a reload.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from medreason.domain.training import RunState, RunStatus, TrainingConfig
from medreason.errors import MedReasonError, NotFound
from medreason.finetune.presets import CPU_DEMO, PRESETS
from medreason.services.services import Services
from medreason.ui import render, run_view
from medreason.ui.asking import Asking, shown
from medreason.ui.form import build_form, form_values, read_form

LOOK_EVERY_S = 1.5
STAYS = (
    '<p class="mr-note">The run goes on when you close the page, and when the app ends. Stop ends it at its next '
    "step; a stopped run keeps its curve and its log, but leaves no adapter.</p>"
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
    training = services.training
    demo = PRESETS[CPU_DEMO]

    gr.Markdown(
        "Make a fine-tuned model of your own: an adapter that teaches the base model to think aloud before it "
        "answers. The form holds a short demo run that suits a computer without a GPU."
    )
    with gr.Row(equal_height=False, elem_classes="mr-pair"):
        with gr.Column(scale=1, min_width=360):
            gr.Markdown("## Settings", elem_classes="mr-part")
            form = build_form(TrainingConfig)
        with gr.Column(scale=1, min_width=360):
            gr.Markdown("## What will happen", elem_classes="mr-part")
            plan = gr.Markdown("", sanitize_html=False)
            with gr.Row(elem_classes="mr-actions"):
                start = gr.Button("Start training", variant="primary", scale=0, min_width=180)
                stop = gr.Button("Stop training", interactive=False, scale=0, min_width=160)
            status = gr.Markdown("", sanitize_html=False)
            gr.Markdown(STAYS, sanitize_html=False)
            run = gr.Dropdown([], label="Run shown", visible=False)
            card = gr.Markdown(run_view.NO_RUNS, sanitize_html=False)
            compare = gr.Button("Compare it with the baseline", visible=False, scale=0, min_width=260)
            with gr.Accordion("Log of the run", open=False, visible=False) as log_fold:
                log = gr.Textbox(
                    "",
                    label="Last lines of the log",
                    lines=12,
                    max_lines=12,
                    interactive=False,
                    elem_classes="mr-log",
                )
    gr.Markdown("## All runs", elem_classes="mr-part")
    past = gr.Markdown(run_view.history([]), sanitize_html=False)
    timer = gr.Timer(LOOK_EVERY_S, active=False)
    view = [run, card, compare, log_fold, log, past, stop, timer]
    names, fields = list(form), list(form.values())

    def found(name: str | None) -> RunStatus | None:
        """The named run, where it is there; else the one that trains, else the newest."""
        if name:
            try:
                return training.status(name)
            except NotFound:
                pass
        return training.current() or next(iter(training.runs()), None)

    def updates(one: RunStatus | None) -> list[Any]:
        """What every component of the run's view shows for `one`."""
        runs = training.runs()
        live = any(not other.state.ended for other in runs)
        return [
            gr.Dropdown([other.name for other in runs], value=one.name if one else None, visible=len(runs) > 1),
            run_view.run_card(one),
            gr.Button(visible=one is not None and one.state is RunState.COMPLETED),
            gr.Accordion(visible=one is not None),
            one.log_tail if one else "",
            run_view.history(runs),
            gr.Button(interactive=live),
            gr.Timer(active=live),
        ]

    def plan_of(values: tuple[Any, ...]) -> str:
        try:
            return run_view.plan_line(training.plan(read_form(TrainingConfig, names, values)))
        except MedReasonError as fault:
            return render.fault(str(fault))

    @shown
    def preview(*values: Any) -> str:
        return plan_of(values)

    @shown
    def begin(request: gr.Request, *values: Any) -> list[Any]:
        user = ask.user(request)
        try:
            started = training.start(user, read_form(TrainingConfig, names, values))
        except MedReasonError as fault:
            return [render.fault(str(fault)), gr.skip(), *updates(training.current() or found(None))]
        said = render.status(f"Run {started.name} has started.")
        return [said, training.free_name(started.name), *updates(started)]

    @shown
    def end(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        live = training.current()
        if live is None:
            return [render.status("No run is training."), *updates(found(None))]
        try:
            one = training.stop(user, live.name)
        except MedReasonError as fault:
            return [render.fault(str(fault)), *updates(live)]
        return ["", *updates(one)]

    @shown
    def look(name: str | None) -> list[Any]:
        """Polled while a run is live; ends its own timer."""
        one = found(name)
        return updates(one)

    @shown
    def restore(request: gr.Request) -> list[Any]:
        ask.user(request)
        config = replace(demo, run_name=training.free_name(demo.run_name))
        values = form_values(form, config)
        return ["", plan_of(tuple(values)), *values, *updates(found(None))]

    gr.on([field.input for field in fields], preview, fields, [plan], trigger_mode="always_last", **PRIVATE)
    start.click(begin, fields, [status, form["run_name"], *view], **PRIVATE)
    stop.click(end, None, [status, *view], **PRIVATE)
    run.input(look, [run], view, **PRIVATE)
    timer.tick(look, [run], view, **PRIVATE)
    return TrainTab(
        compare_button=compare,
        run_name=run,
        restore=restore,
        restore_outputs=[status, plan, *fields, *view],
    )
