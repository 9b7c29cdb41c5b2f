"""The Compare tab: one question, both arms answering side by side, their thinking streamed.

Lays out the parts of the tab and tells each button what it does: read inputs, call one service, show. It knows
nothing of models; what the parts show stands in the parts, what streams in `compare_streams`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.context import Context

from medreason.domain.user import ALLOWED, Action, Role, User
from medreason.errors import MedReasonError
from medreason.services.pair_view import PairView
from medreason.services.services import Services
from medreason.ui import case_picker, conversation_list, render
from medreason.ui.asking import Asking, shown
from medreason.ui.case_picker import CasePicker
from medreason.ui.compare_streams import Streams
from medreason.ui.compare_view import CompareView

EDITING = "Change the question above and press Send the change. What was answered before is kept as a version."
BLIND = "Blind: draw the sides at random and hide which model is which until the rating is in"


@dataclass
class CompareTab:
    """What page.py wires: the button that leads to Rate, the open pair's id, and how to restore."""

    rate_button: gr.Button
    pair_id: gr.State
    refresh: Callable[..., Any]
    refresh_outputs: list[Any]
    use_run: Callable[..., Any]
    use_run_outputs: list[Any]
    restore: Callable[..., Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking, role: Role = Role.ADMIN) -> CompareTab:
    """`role` is that of everybody who is shown this page: to raters it names no model, and offers none."""
    blind_only = role is Role.RATER
    view, picker = CompareView(services, blind_only), CasePicker()
    model, controls, form, kept = view.model, view.controls, view.form, view.kept
    page = Context.root_block
    assert page is not None, "the tab is part of a page"
    first = next(iter(services.cases), None)

    model.build_state(blind_only)
    with gr.Row(elem_classes="mr-pick"):
        picker.build(services.cases)
        model.build_adapter(blind_only)
    view.question = gr.Textbox(
        first.text if first else "",
        label="Question",
        info="Enter sends it, Shift and Enter begins a new line. Do not enter what identifies a patient.",
        lines=1,  # with more, Gradio makes Enter a new line and Shift and Enter the one that sends
        max_lines=8,
        elem_id="question",
    )
    with gr.Row(elem_classes="mr-actions"):
        controls.build_asking()
        blind = gr.Checkbox(
            blind_only, interactive=not blind_only, label=BLIND, container=False, elem_classes="mr-blind"
        )
        form.build_seed()
    controls.build_status()
    view.versions.build()
    view.columns.build()
    controls.build_going_on(Action.RATE in ALLOWED[role])
    with gr.Accordion("Sampling and system prompt, the same for both models", open=False):
        form.build_panel()
    with gr.Accordion("Earlier conversations, and files of this one", open=False):
        kept.build()

    @shown
    def stop_answer(request: gr.Request, pair: int | None) -> None:
        services.comparing.stop(ask.user(request), pair)

    @shown
    def edit(request: gr.Request, conversation: int | None, editing: bool) -> list[Any]:
        """Take the last question back into the box, or leave it as it was."""
        turns = services.conversations.open(ask.user(request), conversation or 0)
        if editing:
            return [False, "", gr.Button("Send"), gr.Button("Edit the question"), ""]
        labels = gr.Button("Send the change"), gr.Button("Leave it as it was")
        return [True, turns[-1].question, *labels, render.status(EDITING)]

    def leaf(step: int) -> Callable[..., Any]:
        @shown
        def turn_over(request: gr.Request, pair: int | None) -> list[Any]:
            user = ask.user(request)
            try:
                turns = services.conversations.leaf(user, pair or 0, step)
                return view.ended(user, turns, gr.skip(), reading_on=True)
            except MedReasonError as fault:
                return view.refused(fault)

        return turn_over

    @shown
    def open_kept(request: gr.Request, chosen: int | None) -> list[Any]:
        user = ask.user(request)
        try:
            return view.ended(user, services.conversations.open(user, int(chosen or 0)), "")
        except MedReasonError as fault:
            return view.refused(fault)

    @shown
    def look(request: gr.Request, chosen: int | None) -> list[Any]:
        """Read one version of an earlier question; the conversation stays as it is."""
        if not chosen:
            return view.versions.nothing()
        user = ask.user(request)
        pair = services.conversations.look(user, int(chosen))
        turns = services.conversations.open(user, pair.conversation_id)
        return view.versions.show(pair, turns[pair.turn - 1].version)

    @shown
    def save_files(request: gr.Request, conversation: int | None) -> str:
        user, number = ask.user(request), conversation or 0
        texts = services.conversations.as_markdown(user, number), services.conversations.as_json(user, number)
        return conversation_list.links(number, *texts)

    @shown
    def pick_specialty(request: gr.Request, specialty: str, case_id: str | None) -> gr.Dropdown:
        """Its cases. The list also fires when the server fills it; a case of that specialty then stays."""
        listed = case_picker.choices(services.comparing.cases(ask.user(request)), specialty)
        kept = case_id if case_id in [value for _, value in listed] else None
        return gr.Dropdown(listed, value=kept)

    @shown
    def pick_case(request: gr.Request, case_id: str | None) -> Any:
        if case_id is None:  # none is chosen yet, so what is typed stays
            return gr.skip()
        case = case_picker.picked(services.comparing.cases(ask.user(request)), case_id)
        return case.text if case else ""

    @shown
    def start_afresh(request: gr.Request, case_id: str | None) -> list[Any]:
        user = ask.user(request)
        case = case_picker.picked(services.comparing.cases(user), case_id)
        return view.blank(user, case.text if case else "")

    @shown
    async def use_adapter(request: gr.Request, key: str) -> list[Any]:
        return await model.switch(ask.user(request), key) if key else [gr.skip()] * 3

    @shown
    async def use_run(request: gr.Request, run_name: str) -> list[Any]:
        """From Train: compare the adapter that this run has made."""
        return await model.switch(ask.user(request), f"run:{run_name}")

    def model_now(user: User) -> list[Any]:
        clock = model.clock()  # first: what becomes ready while the rest is put together is looked at once more
        send = gr.skip() if model.ready else gr.Button(interactive=False)
        return [model.now(user), clock, send, model.adapter_field(user), model.load_button()]

    @shown
    def watch_model(request: gr.Request) -> list[Any]:
        """Polled while the model loads; ends its own timer."""
        updates = model_now(ask.user(request))
        if model.ready:
            updates[2] = gr.Button(interactive=True)
        return [*updates, model.budget()]

    @shown
    def load_model(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        services.serving.start_loading()
        return [model.now(user), gr.Timer(active=True), gr.Button(visible=False)]

    @shown
    def refresh(request: gr.Request) -> list[Any]:
        """When the tab is opened: training may have put the model away, or made a new adapter."""
        return model_now(ask.user(request))

    @shown
    async def restore(request: gr.Request) -> list[Any]:
        """A page that has just been opened: the newest conversation, or the first case."""
        in_thread = asyncio.to_thread  # whatever waits for the store holds up no other page
        user = await in_thread(ask.user, request)
        turns = await in_thread(services.conversations.latest, user)
        for _ in range(20):  # an answer whose page was closed a moment ago ends by itself
            if not turns or turns[-1].done:
                break
            await asyncio.sleep(0.1)
            turns = await in_thread(services.conversations.latest, user)
        return await in_thread(restored, user, turns)

    def restored(user: User, turns: Sequence[PairView]) -> list[Any]:
        only_blind = user.compares_blind_only
        ahead = model_now(user)
        ahead.pop(2)  # Send is among the parts below
        ahead += [gr.Checkbox(interactive=not only_blind, value=only_blind), model.budget()]
        ahead += case_picker.restored(services.comparing.cases(user), keep_empty=bool(turns))
        below = view.ended(user, turns, "") if turns else view.blank(user, gr.skip())
        below[4] = gr.Button(interactive=model.ready)
        return [*ahead, *below]

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    running: dict[str, Any] = {**quiet, "concurrency_limit": None}
    line = [model.state, model.timer, controls.send, model.adapter, model.load]
    model.timer.tick(watch_model, None, [*line, form.longest], **quiet)
    model.load.click(load_model, None, [model.state, model.timer, model.load], **quiet)
    if not blind_only:
        model.adapter.input(use_adapter, [model.adapter], [controls.status, model.adapter, model.state], **running)
    states = [view.conversation_id, view.pair_id, view.editing]
    asked = [view.question, picker.case, blind, *states, *form.inputs]
    Streams(services, ask, view, page).wire(asked, running)
    controls.stop.click(stop_answer, [view.pair_id], None, queue=False, api_visibility="private")
    edited = [view.editing, view.question, controls.send, controls.edit, controls.status]
    controls.edit.click(edit, [view.conversation_id, view.editing], edited, **quiet)
    controls.back.click(leaf(-1), [view.pair_id], view.outputs, **quiet)
    controls.forth.click(leaf(1), [view.pair_id], view.outputs, **quiet)
    controls.fresh.click(start_afresh, [picker.case], view.outputs, **quiet)
    picker.specialty.input(pick_specialty, [picker.specialty, picker.case], [picker.case], **quiet)
    picker.case.input(pick_case, [picker.case], [view.question], **quiet)
    kept.list.input(open_kept, [kept.list], view.outputs, **quiet)
    view.versions.choice.input(look, [view.versions.choice], view.versions.read, **quiet)
    kept.save.click(save_files, [view.conversation_id], [kept.files], **quiet)
    form.wire()
    opened = [model.state, model.timer, model.adapter, model.load, blind, form.longest]
    return CompareTab(
        rate_button=controls.rate,
        pair_id=view.pair_id,
        refresh=refresh,
        refresh_outputs=line,
        use_run=use_run,
        use_run_outputs=[controls.status, model.adapter, model.state],
        restore=restore,
        restore_outputs=[*opened, picker.specialty, picker.case, *view.outputs],
    )
