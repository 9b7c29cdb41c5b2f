"""Putting a question in Compare: what it waits for, others do not."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import gradio as gr

from medreason.domain.user import Role, User
from medreason.errors import Busy
from medreason.services.live_pair import LivePair
from medreason.ui.compare_streams import Streams


def test_a_question_that_waits_for_its_turn_at_the_store_holds_up_no_other_page() -> None:
    others_go_on = threading.Event()

    def begin(user: User) -> LivePair:
        assert others_go_on.wait(10), "everybody else stood still"
        raise Busy("Your earlier questions are still being answered.")

    ask = SimpleNamespace(user=lambda request: User(1, "someone", Role.ADMIN))
    view = SimpleNamespace(columns=SimpleNamespace(growing=["left", "right"]))
    streams = Streams(SimpleNamespace(), ask, view, gr.Blocks)  # type: ignore[arg-type]

    async def put_and_go_on() -> list[Any]:
        asking = asyncio.ensure_future(anext(streams._run(gr.Request(), begin)))
        await asyncio.sleep(0)
        others_go_on.set()
        return await asking

    _, refusal, *words = asyncio.run(put_and_go_on())
    assert refusal == "Your earlier questions are still being answered."
    assert words == [gr.skip(), gr.skip()]
