"""The Studies page of those who lead: the studies there are, one of them with its steps, and the form for more.

Every step that cannot be taken back asks first. Knows no models and no storage: it asks `services.studies`.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import gradio as gr

from medreason.domain.study import StudyState
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError
from medreason.services.services import Services
from medreason.services.study_views import StudyView
from medreason.ui import adjudication, redaction, render, settling, study_form, study_plan, study_progress
from medreason.ui.asking import Asking, shown
from medreason.ui.sampling_form import SHOWN

LOOK_EVERY_S = 2.0
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
ASKS = {
    "open": "Opening draws and seals the schedule. The plan then stays as it is; raters can begin at once.",
    "close": "Closing locks every rating for good and tells which side was which. It cannot be taken back.",
    "remove": "The rater can rate no more here. What they gave stays, and so does everybody else's schedule.",
}
WANTS_REASON = ("close", "remove")


@dataclass
class StudiesPart:
    """`restore` fills the page for who is asking; its first output is the tab, hidden from all who do not lead."""

    restore: Callable[..., Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking, tab: gr.Tab) -> StudiesPart:
    which = gr.Dropdown([], label="Study", info="Newest first.", elem_id="study-list")
    view = gr.Markdown(
        study_progress.NO_STUDIES, sanitize_html=False, latex_delimiters=[], elem_classes="study-text"
    )
    with gr.Row(elem_classes="mr-actions"):
        generate = gr.Button("Generate the answers", visible=False, scale=0, min_width=200)
        stop = gr.Button("Stop generating", visible=False, scale=0, min_width=170)
        opening = gr.Button("Open the study", variant="primary", visible=False, scale=0, min_width=180)
        closing = gr.Button("Close and unblind", visible=False, scale=0, min_width=190)
        edit = gr.Button("Change the draft", visible=False, scale=0, min_width=180)
    with gr.Row(visible=False) as people:
        rater = gr.Textbox("", label="Rater", info="The name as they write it in Rate.", max_length=64)
        add = gr.Button("Add rater", scale=0, min_width=140)
        remove = gr.Button("Remove rater", scale=0, min_width=190)
    with gr.Column(visible=False, elem_classes="mr-card") as asking:
        question = gr.Markdown(sanitize_html=False)
        reason = gr.Textbox("", label="Why", info="Recorded in the audit.", max_length=2000, lines=2)
        step = gr.Textbox("", visible="hidden")
        with gr.Row(elem_classes="mr-actions"):
            yes = gr.Button("Yes, do it", scale=0, min_width=140, elem_classes="mr-delete")
            no = gr.Button("No", scale=0, min_width=100)
    said = gr.Markdown(sanitize_html=False, latex_delimiters=[])
    timer = gr.Timer(LOOK_EVERY_S, active=False)
    with gr.Accordion("Disputed cases", open=False):
        values = adjudication.build(services, ask, which)
    with gr.Accordion("Marks", open=False):
        marks = settling.build(services, ask, which)
    redacting = redaction.build(services, ask, which)
    with gr.Accordion("Audit and backups", open=False):
        audit = gr.Markdown(sanitize_html=False, latex_delimiters=[], elem_classes="study-text")
    gr.Markdown("## A new study, or a change of a draft")
    form = study_form.build(services, ask)
    page = [which, view, generate, stop, opening, closing, edit, people, timer, audit]
    parts = (values, marks, redacting)
    page += [component for part in parts for component in part.view]
    asks = [asking, question, reason, step]

    def buttons(found: StudyView | None) -> list[Any]:
        state = found.state if found else None
        ready = state is StudyState.GENERATING or state is StudyState.DRAFT
        running = found is not None and found.generation.running
        whole = found is not None and found.generation.done == found.generation.total
        return [
            gr.Button(visible=ready and not running and not (whole and state is StudyState.GENERATING)),
            gr.Button(visible=running),
            gr.Button(visible=state is StudyState.GENERATING and not running),
            gr.Button(visible=state is StudyState.OPEN),
            gr.Button(visible=state is StudyState.DRAFT),
            gr.Row(visible=state is not None and state is not StudyState.CLOSED),
            gr.Timer(active=running),
        ]

    def shows(user: User, name: str | None) -> list[Any]:
        """Updates of `page` for the study of that name, or for the newest."""
        found = services.studies.list(user)
        one = next((each for each in found if each.name == name), found[0] if found else None)
        choices = [(f"{each.title} · {each.state}", each.name) for each in found]
        listed = gr.Dropdown(choices=choices, value=one.name if one else None, interactive=bool(choices))
        drawn = study_progress.study(one) if one else study_progress.NO_STUDIES
        told = study_progress.kept(services.backups_told(), one.events if one else ())
        filled = [update for part in parts for update in part.shows(user, one.name if one else "")]
        return [listed, drawn, *buttons(one), told, *filled]

    def done(user: User, name: str, words: str) -> list[Any]:
        return [render.status(words), *shows(user, name), *away()]

    def away() -> list[Any]:
        return [gr.Column(visible=False), "", "", ""]

    def refused(fault: MedReasonError) -> list[Any]:
        return [render.fault(str(fault)), *[gr.skip()] * (len(page) + len(asks))]

    everything = [said, *page, *asks]

    @shown
    def pick(request: gr.Request, name: str, asked: str) -> list[Any]:
        """The study as it is now. What is being asked about it stays: the page also picks by itself, and late."""
        still = bool(asked) and asked.partition(" ")[2] == name
        return ["", *shows(ask.user(request), name), *([gr.skip()] * len(asks) if still else away())]

    @shown
    def look_on(request: gr.Request, name: str) -> list[Any]:
        """While answers are made: the study alone, so that nothing else on the page moves."""
        found = services.studies.get(ask.user(request), name)
        return [study_progress.study(found), *buttons(found)]

    def taking(call: Callable[[User, str], Any], words: str) -> Callable[..., list[Any]]:
        @shown
        def take(request: gr.Request, name: str) -> list[Any]:
            user = ask.user(request)
            try:
                call(user, name)
            except MedReasonError as fault:
                return refused(fault)
            return done(user, name, words)

        return take

    @shown
    def add_rater(request: gr.Request, name: str, who: str) -> list[Any]:
        user = ask.user(request)
        try:
            services.studies.add_rater(user, name, who or "")
        except MedReasonError as fault:
            return refused(fault)
        return done(user, name, f"{who.strip()} takes part now.")

    def asking_for(wanted: str) -> Callable[..., list[Any]]:
        @shown
        def ask_first(name: str) -> list[Any]:
            return [gr.Column(visible=True), f"**{ASKS[wanted]}**", "", f"{wanted} {name}"]

        return ask_first

    @shown
    def confirmed(request: gr.Request, asked: str, why: str, who: str) -> list[Any]:
        """What was asked about is done to the study that it was asked about."""
        user = ask.user(request)
        wanted, _, name = asked.partition(" ")
        try:
            if wanted in WANTS_REASON and not (why or "").strip():
                raise MedReasonError("Not done yet: say why in a few words. It is recorded.")
            if wanted == "open":
                services.studies.open(user, name)
                return done(user, name, "Open. Raters find it in Rate under their names.")
            if wanted == "close":
                services.studies.close(user, name, why)
                return done(user, name, "Closed. Results shows the table with both models named.")
            services.studies.remove_rater(user, name, who or "", why)
        except MedReasonError as fault:
            return refused(fault)
        return done(user, name, f"{who.strip()} no longer takes part. What they gave is kept.")

    @shown
    def change_draft(request: gr.Request, name: str) -> list[Any]:
        plan = services.studies.get(ask.user(request), name).plan
        filled = astuple(study_plan.form_of(plan, services.cases))
        return [*filled, *(getattr(plan.sampling, field) for field in SHOWN)]

    @shown
    def restore(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        if not user.may(Action.STUDIES):
            return [gr.Tab(visible=False), gr.skip(), *[gr.skip()] * len(page)]
        adapters = [(one.label, one.key) for one in services.serving.adapters()]
        field = gr.Dropdown(adapters, value=adapters[0][1] if adapters else None)
        return [gr.Tab(visible=True), field, *shows(user, None)]

    which.input(pick, [which, step], everything, **PRIVATE)
    timer.tick(look_on, [which], page[1:9], **PRIVATE)
    started = "The answers are being made. You may leave the page; it goes on."
    generate.click(taking(services.studies.generate, started), [which], everything, **PRIVATE)
    stop.click(
        taking(services.studies.stop_generating, "Stopping after the answer at hand."),
        [which],
        everything,
        **PRIVATE,
    )
    for button, wanted in ((opening, "open"), (closing, "close"), (remove, "remove")):
        button.click(asking_for(wanted), [which], asks, **PRIVATE)
    yes.click(confirmed, [step, reason, rater], everything, **PRIVATE)
    no.click(away, None, asks, **PRIVATE)
    add.click(add_rater, [which, rater], everything, **PRIVATE)
    edit.click(change_draft, [which], [*form.fields, *form.sampling], **PRIVATE)
    form.kept.change(pick, [form.kept, step], everything, **PRIVATE)
    tab.select(pick, [which, step], everything, **PRIVATE)
    return StudiesPart(restore, [tab, form.fields[study_plan.NAMES.index("adapter")], *page])
