"""The Compare tab: one question, both arms answering side by side, their thinking streamed.

Knows nothing of models: it asks `services.comparing`, redraws on a clock and lets a flag stop the answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.answers import Finish
from medreason.domain.arms import SIDES, Arm, Side
from medreason.domain.case import Case
from medreason.engine.protocol import Phase
from medreason.errors import MedReasonError
from medreason.services.live_pair import PairView
from medreason.services.services import Services
from medreason.ui import render
from medreason.ui.asking import Asking, shown
from medreason.ui.sampling_form import LONGEST, build_sampling_fields, default_budget, read_sampling

OWN_CASE = "My own case"
LOOK_EVERY_S = 1.0
REDRAW_S, REDRAW_LONG_S, LONG_CHARACTERS = 0.1, 0.25, 6000


@dataclass
class CompareTab:
    """What page.py wires: the button that leads to Rate, the open pair's id, and how to restore."""

    rate_button: gr.Button
    pair_id: gr.State
    adapter: gr.Dropdown
    refresh_adapters: Callable[..., Any]
    use_run: Callable[..., Any]
    use_run_outputs: list[Any]
    restore: Callable[..., Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking) -> CompareTab:
    cases = {case.case_id: case for case in services.cases}
    first = next(iter(services.cases), None)
    choices = [(f"{case.specialty} · {_short(case.text)}", case.case_id) for case in services.cases]

    conversation_id = gr.State(None)
    pair_id = gr.State(None)
    model = gr.Markdown(render.model_state(services.serving.state), sanitize_html=False)
    with gr.Row(elem_classes="mr-pick"):
        case = gr.Dropdown([(OWN_CASE, "")] + choices, value=first.case_id if first else "", label="Case", scale=3)
        adapter = gr.Dropdown([], label="Fine-tuned model: ready-made, or from a run in Train", scale=2)
    question = gr.Textbox(
        first.text if first else "",
        label="Question",
        info="Enter sends it, Shift and Enter begins a new line. Do not enter what identifies a patient.",
        lines=1,  # with more, Gradio makes Enter a new line and Shift and Enter the one that sends
        max_lines=8,
        elem_id="question",
    )
    with gr.Row(elem_classes="mr-actions"):
        send = gr.Button("Send", variant="primary", interactive=False, scale=0, min_width=140)
        stop = gr.Button("Stop", interactive=False, scale=0, min_width=100)
        fresh = gr.Button("New conversation", interactive=False, scale=0, min_width=190)
        blind = gr.Checkbox(
            False,
            label="Blind: draw the sides at random and hide which model is which until the rating is in",
            container=False,
            elem_classes="mr-blind",
        )
    status = gr.Markdown("", sanitize_html=False)
    with gr.Row(elem_classes="mr-pair", equal_height=False):
        heads, chats, unders = {}, {}, {}
        for side, arm in zip(SIDES, (Arm.BASELINE, Arm.FINETUNED), strict=True):
            with gr.Column(min_width=360):
                heads[side] = gr.Markdown(render.heading(side, arm), sanitize_html=False)
                chats[side] = gr.Chatbot(
                    label=f"Conversation, {side}",
                    show_label=False,
                    height=520,
                    buttons=["copy"],
                    feedback_options=None,
                    elem_id=f"chat-{1 if side is Side.LEFT else 2}",
                    elem_classes="mr-chat",
                    placeholder="The answer will appear here, the thinking in a block of its own above it.",
                )
                unders[side] = gr.Markdown("", sanitize_html=False)
    with gr.Row(elem_classes="mr-actions"):
        rate = gr.Button("Rate this pair", interactive=False, scale=0, min_width=190)
    with gr.Accordion("Sampling, the same for both models", open=False):
        fields = build_sampling_fields()
        longest = fields[LONGEST]

    panes = [heads[s] for s in SIDES] + [chats[s] for s in SIDES] + [unders[s] for s in SIDES]
    outputs = [conversation_id, pair_id, question, send, stop, rate, fresh, status, *panes]

    def detail(arm: Arm | None) -> str:
        if arm is None or services.serving.state.phase is not Phase.READY:
            return ""
        loaded = services.serving.provenance
        name = render.model_name(loaded)
        if arm is Arm.BASELINE:
            return f"{name} · {loaded.precision}"
        return f"{name} + {services.serving.adapter_label()}"

    def panes_of(earlier: list[PairView], now: PairView | None) -> list[Any]:
        shown_now = now or earlier[-1]
        arms = [shown_now.side(side).arm for side in SIDES]
        return (
            [render.heading(side, arm, detail(arm)) for side, arm in zip(SIDES, arms, strict=True)]
            + [render.column(earlier, now, side) for side in SIDES]
            + [render.under(shown_now.side(side)) for side in SIDES]
        )

    def ended(view: PairView) -> list[Any]:
        """Updates of conversation, pair, question, buttons and status once nothing more will come."""
        whole = all(view.side(side).answer.finish in (Finish.STOP, Finish.LENGTH) for side in SIDES)
        return [
            view.conversation_id,
            view.pair_id,
            gr.skip(),
            gr.Button(interactive=True),
            gr.Button(interactive=False),
            gr.Button(interactive=whole),
            gr.Button(interactive=True),
            render.status(_next_step(view, whole)),
        ]

    @shown
    async def send_question(
        text: str, case_id: str, hide: bool, conversation: int | None, request: gr.Request, *values: Any
    ) -> AsyncIterator[list[Any]]:
        user = ask.user(request)
        kept = [gr.skip()] * len(panes)
        try:
            live = services.comparing.ask(
                user,
                text or "",
                read_sampling(values),
                blind=bool(hide),
                conversation_id=conversation,
                case=_unchanged(cases.get(case_id), text),
            )
        except MedReasonError as fault:
            yield [gr.skip()] * 7 + [render.fault(str(fault))] + kept
            return
        earlier = services.comparing.conversation(user, live.pair.conversation_id)[:-1]
        view = live.view()
        yield [
            view.conversation_id,
            view.pair_id,
            "",
            gr.Button(interactive=False),
            gr.Button(interactive=True),
            gr.Button(interactive=False),
            gr.Button(interactive=False),
            render.status("Both models are answering. Stop keeps what they have said."),
            *panes_of(earlier, view),
        ]
        while not view.done:
            shown_characters = sum(
                len(view.side(s).answer.thinking) + len(view.side(s).answer.text) for s in SIDES
            )
            await asyncio.sleep(REDRAW_S if shown_characters < LONG_CHARACTERS else REDRAW_LONG_S)
            view = live.view()
            yield [gr.skip()] * 8 + panes_of(earlier, view)
        final = services.comparing.conversation(user, live.pair.conversation_id)
        yield [*ended(final[-1]), *panes_of(final, None)]

    @shown
    def stop_answer(pair: int | None, request: gr.Request) -> None:
        services.comparing.stop(ask.user(request), pair)

    @shown
    def pick_case(case_id: str) -> Any:
        return cases[case_id].text if case_id in cases else ""

    @shown
    def start_afresh(case_id: str) -> list[Any]:
        text = cases[case_id].text if case_id in cases else ""
        heads_now = [
            render.heading(side, arm, detail(arm))
            for side, arm in zip(SIDES, (Arm.BASELINE, Arm.FINETUNED), strict=True)
        ]
        empty: list[Any] = [*heads_now, [], [], "", ""]
        off = gr.Button(interactive=False)
        return [None, None, text, gr.Button(interactive=True), off, off, off, "", *empty]

    def adapter_field() -> gr.Dropdown:
        found = [(one.label, one.key) for one in services.serving.adapters()]
        return gr.Dropdown(found, value=services.serving.adapter or None, interactive=bool(found))

    async def switch_to(key: str, request: gr.Request) -> list[Any]:
        user = ask.user(request)
        try:
            await asyncio.to_thread(services.serving.switch, user, key)
        except MedReasonError as fault:
            return [render.fault(str(fault)), adapter_field(), model_now()]
        said = f"Comparing with {services.serving.adapter_label()}. Press New conversation, then ask."
        return [render.status(said), adapter_field(), model_now()]

    @shown
    async def use_adapter(key: str, request: gr.Request) -> list[Any]:
        return await switch_to(key, request) if key else [gr.skip()] * 3

    def model_now() -> str:
        state = services.serving.state
        if state.phase is Phase.READY:
            return render.model_ready(state, services.serving.provenance)
        return render.model_state(state)

    def budget() -> Any:
        """A default length that suits the loaded model; what the user typed later stays."""
        if services.serving.state.phase is not Phase.READY:
            return gr.skip()
        return default_budget(services.serving.provenance.base_model)

    @shown
    def watch_model() -> list[Any]:
        """Polled while the model loads; ends its own timer."""
        state = services.serving.state
        loading = state.phase in (Phase.LOADING, Phase.UNLOADED)
        ready = state.phase is Phase.READY
        field = adapter_field() if ready else gr.skip()
        return [model_now(), gr.Timer(active=loading), gr.Button(interactive=ready), field, budget()]

    @shown
    async def use_run(run: str, request: gr.Request) -> list[Any]:
        """From Train: compare the adapter that this run has made."""
        return await switch_to(f"run:{run}", request)

    @shown
    def restore(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        state = services.serving.state
        ready = state.phase is Phase.READY
        ahead = [
            model_now(),
            gr.Timer(active=state.phase in (Phase.LOADING, Phase.UNLOADED)),
            adapter_field(),
            gr.Checkbox(interactive=not user.compares_blind_only, value=user.compares_blind_only),
            budget(),
        ]
        turns = services.comparing.latest(user)
        if not turns:
            return [*ahead, gr.skip(), gr.skip(), gr.skip(), gr.Button(interactive=ready)] + [gr.skip()] * (
                4 + len(panes)
            )
        updates = ended(turns[-1])
        updates[3] = gr.Button(interactive=ready)
        updates[2] = ""
        return [*ahead, *updates, *panes_of(turns, None)]

    timer = gr.Timer(LOOK_EVERY_S, active=True)
    timer.tick(
        watch_model,
        None,
        [model, timer, send, adapter, longest],
        show_progress="hidden",
        api_visibility="private",
    )
    asked = [question, case, blind, conversation_id, *fields]
    for trigger in (send.click, question.submit):
        trigger(
            send_question,
            asked,
            outputs,
            show_progress="hidden",
            concurrency_limit=None,
            api_visibility="private",
        )
    stop.click(stop_answer, [pair_id], None, queue=False, api_visibility="private")
    case.input(pick_case, [case], [question], show_progress="hidden", api_visibility="private")
    fresh.click(start_afresh, [case], outputs, show_progress="hidden", api_visibility="private")
    adapter.input(
        use_adapter, [adapter], [status, adapter, model], concurrency_limit=None, api_visibility="private"
    )
    return CompareTab(
        rate_button=rate,
        pair_id=pair_id,
        adapter=adapter,
        refresh_adapters=adapter_field,
        use_run=use_run,
        use_run_outputs=[status, adapter, model],
        restore=restore,
        restore_outputs=[model, timer, adapter, blind, longest, *outputs],
    )


def _unchanged(case: Case | None, text: str) -> Case | None:
    """The picked case, if its text is still what is asked: an edited case is the user's own."""
    return case if case is not None and case.text.strip() == (text or "").strip() else None


def _short(text: str, length: int = 72) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rsplit(" ", 1)[0] + "…"


def _next_step(view: PairView, whole: bool) -> str:
    if not whole:
        return "This pair cannot be rated, because an answer was stopped or failed. Ask again, or ask on."
    if view.blinded:
        return "Done. Press Rate this pair: which side is which is shown when the rating is in."
    return "Done. Press Rate this pair, or ask a further question."
