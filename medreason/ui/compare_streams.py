"""What streams in Compare: Send, Regenerate, Continue. Each puts a question and follows its answers.

A stream sets only what changes from word to word, because the page searches all of itself for every output of
every frame. What changes once is drawn when the question has been put, and again when both sides have ended.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.live_pair import LivePair
from medreason.services.services import Services
from medreason.ui import case_picker, sampling_form
from medreason.ui.asking import Asking, shown
from medreason.ui.compare_view import CompareView
from medreason.ui.following import Reader, follow

Updates = AsyncGenerator[list[Any], None]
Callback = Callable[..., Updates]


class Streams:
    """`page` is the whole page, which knows whether somebody reads."""

    def __init__(self, services: Services, ask: Asking, view: CompareView, page: gr.Blocks):
        self._services, self._ask, self._view, self._page = services, ask, view, page

    def wire(self, asked: list[Any], options: dict[str, Any]) -> None:
        """`asked` are the inputs of Send: question, case, blind, conversation, pair, editing, then the form."""
        view = self._view
        again = [view.pair_id, *view.form.inputs]
        for trigger, callback, inputs in (
            (view.controls.send.click, self.send(), asked),
            (view.question.submit, self.send(), asked),
            (view.controls.again.click, self.regenerate(), again),
            (view.controls.go_on.click, self.go_on(), again),
        ):
            # Text goes out as it is: Gradio would spend a thread on each field of each frame.
            stream = trigger(callback, inputs, view.streamed, **options, postprocess=False)
            stream.then(self.ended(), [view.pair_id, view.refusal], view.outputs, **options)
        view.pair_id.change(self.begun(), [view.pair_id, view.editing], view.outputs, **options)

    def send(self) -> Callback:
        @shown
        async def answer(
            request: gr.Request, text: str, case_id: str, hide: bool, conversation: int | None, *more: Any
        ) -> Updates:
            pair, editing, *values = more
            comparing = self._services.comparing

            def begin(user: User) -> LivePair:
                sampling, system_prompt = sampling_form.read(values)
                case = case_picker.unchanged(comparing.cases(user), case_id, text)
                how: dict[str, Any] = {"case": case, "system_prompt": system_prompt}
                if editing and pair:
                    return comparing.ask_again(user, pair, sampling, question=text or "", **how)
                how |= {"blind": bool(hide), "conversation_id": conversation}
                return comparing.ask(user, text or "", sampling, **how)

            async with aclosing(self._run(request, begin)) as updates:
                async for update in updates:
                    yield update

        return answer

    def regenerate(self) -> Callback:
        @shown
        async def answer(request: gr.Request, pair: int | None, *values: Any) -> Updates:
            def begin(user: User) -> LivePair:
                return self._services.comparing.regenerate(user, pair or 0, *sampling_form.read(values))

            async with aclosing(self._run(request, begin)) as updates:
                async for update in updates:
                    yield update

        return answer

    def go_on(self) -> Callback:
        @shown
        async def answer(request: gr.Request, pair: int | None, *values: Any) -> Updates:
            def begin(user: User) -> LivePair:
                budget = sampling_form.read(values)[0].max_new_tokens
                return self._services.comparing.go_on(user, pair or 0, budget)

            async with aclosing(self._run(request, begin)) as updates:
                async for update in updates:
                    yield update

        return answer

    async def _run(self, request: gr.Request, begin: Callable[[User], LivePair]) -> Updates:
        """From the question to its answers' end. A refusal leaves the page as it is, with the reason."""
        columns = self._view.columns
        # Both may wait for the store, and hold up no other page meanwhile.
        user = await asyncio.to_thread(self._ask.user, request)
        try:
            live = await asyncio.to_thread(begin, user)
        except MedReasonError as fault:
            yield [gr.skip(), str(fault), *[gr.skip()] * len(columns.growing)]
            return
        pair = live.pair
        reader = Reader(self._page, request.session_hash)
        named: list[Any] = [pair.id, ""]
        comparing = self._services.comparing
        stop, running = (lambda: comparing.stop(user, pair.id)), (lambda: comparing.answering.running)
        async with aclosing(follow(live, reader, stop, running)) as views:
            async for now in views:
                yield [*named, *columns.words(now)]
                named = [gr.skip(), gr.skip()]

    def begun(self) -> Callable[..., list[Any]]:
        @shown
        def draw(request: gr.Request, pair: int | None, editing: bool) -> list[Any]:
            """Once the page knows of a question that is being answered; nothing for any other change of pair."""
            user = self._ask.user(request)
            live = self._services.comparing.answering.find(pair) if pair else None
            if live is None or live.pair.user_id != user.id:
                return self._view.kept_as_is()
            turns = self._services.conversations.open(user, live.pair.conversation_id)
            first = live.pair.version == 1 or editing
            drawn = self._view.begun(user, turns, live.pair.sampling.seed, "" if first else gr.skip())
            return self._view.kept_as_is() if live.finished.is_set() else drawn

        return draw

    def ended(self) -> Callable[..., list[Any]]:
        @shown
        def draw(request: gr.Request, pair: int | None, refusal: str) -> list[Any]:
            user = self._ask.user(request)
            if refusal or not pair:
                return self._view.refused(refusal)
            turns = self._services.conversations.of_pair(user, pair)
            return self._view.ended(user, turns, gr.skip(), reading_on=True)

        return draw
