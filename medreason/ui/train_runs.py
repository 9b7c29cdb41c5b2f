"""The third part of Train: the run shown, what can be done with it, and every run there is.

Knows nothing of processes or files: it asks `services.training`, looks again while a run is live, and shows the
same after a reload.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.run import RunState, RunStatus
from medreason.errors import MedReasonError, NotFound
from medreason.services.services import Services
from medreason.ui import render, run_history, run_view
from medreason.ui.asking import Asking, shown
from medreason.ui.changes import Shown, all_of, changed_of, looks, words
from medreason.ui.train_compare import build_comparison

LOOK_EVERY_S = 1.5
STAYS = (
    '<p class="mr-note">A run goes on when you close the page, and when the app ends. Several runs wait in line '
    "and train one after the other.</p>"
)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass
class RunsPart:
    """What train.py wires. `updates(one, said)` gives what every one of `view` shows for a run, `said` above it;
    `found(name)` is the run to show."""

    run: gr.Dropdown
    compare: gr.Button
    clone: gr.Button
    view: list[Any]
    updates: Callable[..., list[Any]]
    found: Callable[[str | None], RunStatus | None]
    look: Callable[..., Any]
    look_inputs: list[Any]


def build(services: Services, ask: Asking, head: gr.Markdown) -> RunsPart:
    """The part below its tab; `head` is the line above all parts that tells of the live run."""
    training = services.training
    live = gr.State([])
    status = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    run = gr.Dropdown([], label="Run shown", visible=False)
    card = gr.Markdown(run_view.NO_RUNS, sanitize_html=False, latex_delimiters=[])
    with gr.Row(elem_classes="mr-actions"):
        compare = gr.Button(
            "Compare it with the baseline", variant="primary", visible=False, scale=0, min_width=290
        )
        release = gr.Button("Let Compare go of the GPU", variant="primary", visible=False, scale=0, min_width=250)
        resume = gr.Button("Resume", visible=False, scale=0, min_width=140)
        save = gr.Button("Stop and save", visible=False, scale=0, min_width=160)
        stop = gr.Button("Stop", visible=False, scale=0, min_width=120)
        clone = gr.Button("Use its settings again", visible=False, scale=0, min_width=240)
    hint = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    gr.Markdown(STAYS, sanitize_html=False)
    with gr.Accordion("Log of the run", open=False, visible=False) as log_fold:
        log = gr.Textbox(
            "", label="Last lines of the log", lines=12, max_lines=12, interactive=False, elem_classes="mr-log"
        )
    with gr.Accordion("Rename or delete the run", open=False, visible=False) as manage:
        with gr.Row(elem_classes="mr-actions"):
            title = gr.Textbox(
                "",
                label="New name",
                info="What the run is called in lists. Its folder keeps its name.",
                max_lines=1,
                scale=1,
                min_width=260,
            )
            rename = gr.Button("Rename", scale=0, min_width=130)
            delete = gr.Button("Delete…", scale=0, min_width=130)
        with gr.Column(visible=False) as sure:
            question = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
            with gr.Row(elem_classes="mr-actions"):
                yes = gr.Button("Yes, delete it", scale=0, min_width=170, elem_classes="mr-delete")
                no = gr.Button("Keep it", scale=0, min_width=130)
    gr.Markdown("## All runs", elem_classes="mr-part")
    past = gr.Markdown(run_history.history([]), sanitize_html=False, latex_delimiters=[])
    comparison = build_comparison(services)
    timer = gr.Timer(LOOK_EVERY_S, active=False)
    buttons = [compare, release, resume, save, stop, clone]
    view = [status, run, card, *buttons, hint, log_fold, log, manage, past, comparison.chosen, timer, head, live]

    def found(name: str | None) -> RunStatus | None:
        """The named run, where it is there; else the one that trains, else the newest."""
        if name:
            try:
                return training.status(name)
            except NotFound:
                pass
        return training.current() or next(iter(training.runs()), None)

    def shows(one: RunStatus | None, picked: str | None = None) -> list[Shown]:
        """How every component after `status` looks for a run. Where it is the one that is `picked`, the list of
        runs keeps its choice: somebody may have chosen another since."""
        runs = training.runs()
        # `one` was read before, and may have ended since: all parts show it as of the same moment.
        one = next((other for other in runs if one is not None and other.name == one.name), one)
        choices = [(_label(other), other.name) for other in runs]
        name = one.name if one else None
        live_now = one is not None and not one.state.ended
        queued = one is not None and one.state is RunState.QUEUED
        waiting = training.waiting_for(one.name) if one is not None and queued else ""
        of_gpu = queued and "GPU" in waiting and training.compare_holds_gpu()
        resume_words = run_view.resume_words(one)
        note = html.escape(run_view.stop_words(one) or resume_words)
        return [
            Shown(
                (choices, name if picked not in (None, name) else None),
                lambda: gr.Dropdown(choices, visible=len(runs) > 1, **({} if picked == name else {"value": name})),
            ),
            words(run_view.run_card(one, waiting)),
            looks(gr.Button, visible=one is not None and one.state.ended and bool(one.adapter)),
            looks(gr.Button, visible=of_gpu),
            looks(gr.Button, visible=bool(resume_words), interactive=one is not None and one.can_resume),
            looks(gr.Button, visible=live_now and not queued),
            looks(gr.Button, visible=live_now),
            looks(gr.Button, visible=one is not None),
            words(f'<p class="mr-note">{note}</p>'),
            looks(gr.Accordion, visible=one is not None),
            words(one.log_tail if one else ""),
            looks(gr.Accordion, visible=one is not None),
            words(run_history.history(runs)),
            Shown(choices, lambda: gr.Dropdown(choices)),
            looks(gr.Timer, active=live_now or any(not other.state.ended for other in runs)),
            words(run_view.live_line(runs)),
        ]

    def updates(one: RunStatus | None, said: str = "") -> list[Any]:
        """What every component of the part shows for `one`."""
        return [said, *all_of(shows(one))]

    def done(user_did: Callable[[], Any], said: str, name: str | None) -> list[Any]:
        """Do it, then show the run; a refusal is shown instead, and changes nothing."""
        try:
            user_did()
        except MedReasonError as fault:
            return updates(found(name), render.fault(str(fault)))
        return updates(found(name), render.status(said))

    @shown
    def look(name: str | None, last: list[Any]) -> list[Any]:
        """Polled while a run is live, and sends only what has changed; ends its own timer."""
        return [gr.skip(), *changed_of(shows(found(name), name), last)]

    @shown
    def pick(name: str | None) -> list[Any]:
        return updates(found(name))

    @shown
    def end(request: gr.Request, name: str | None) -> list[Any]:
        user = ask.user(request)
        return done(lambda: training.stop(user, name or ""), "Asked to stop.", name)

    @shown
    def end_and_save(request: gr.Request, name: str | None) -> list[Any]:
        user = ask.user(request)
        return done(
            lambda: training.stop(user, name or "", save=True), "Asked to stop after this step and save.", name
        )

    @shown
    def go_on(request: gr.Request, name: str | None) -> list[Any]:
        user = ask.user(request)
        return done(lambda: training.resume(user, name or ""), "The run goes on.", name)

    @shown
    def let_go(request: gr.Request, name: str | None) -> list[Any]:
        user = ask.user(request)
        said = "Compare has put its model away. Load it again there when the run has ended."
        return done(lambda: services.serving.release(user), said, name)

    @shown
    def call_it(request: gr.Request, name: str | None, wanted: str) -> list[Any]:
        user = ask.user(request)
        try:
            training.rename(user, name or "", wanted)
        except MedReasonError as fault:
            return [*updates(found(name), render.fault(str(fault))), gr.skip()]
        return [*updates(found(name), render.status("Renamed.")), ""]

    @shown
    def ask_first(name: str | None) -> list[Any]:
        one = found(name)
        if one is None:
            return [gr.Column(visible=False), ""]
        said = (
            f"Delete {one.shown_name} with its curves, its log, its checkpoints and its adapter? It cannot be "
            "brought back. Ratings of its answers are kept."
        )
        return [gr.Column(visible=True), render.status(said)]

    @shown
    def delete_run(request: gr.Request, name: str | None) -> list[Any]:
        user = ask.user(request)
        return [gr.Column(visible=False), *done(lambda: training.delete(user, name or ""), "Deleted.", name)]

    run.input(pick, [run], view, **PRIVATE)
    timer.tick(look, [run, live], view, **PRIVATE)
    stop.click(end, [run], view, **PRIVATE)
    save.click(end_and_save, [run], view, **PRIVATE)
    resume.click(go_on, [run], view, **PRIVATE)
    release.click(let_go, [run], view, concurrency_limit=None, **PRIVATE)
    for trigger in (rename.click, title.submit):
        trigger(call_it, [run, title], [*view, title], **PRIVATE)
    delete.click(ask_first, [run], [sure, question], **PRIVATE)
    no.click(lambda: gr.Column(visible=False), None, [sure], **PRIVATE)
    yes.click(delete_run, [run], [sure, *view], **PRIVATE)
    return RunsPart(run, compare, clone, view, updates, found, look, [run, live])


def _label(run: RunStatus) -> str:
    return f"{run.title} ({run.name})" if run.title else run.name
