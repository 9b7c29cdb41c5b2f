"""The Compare tab while there is no model to ask: who can bring it back, and what the page says meanwhile."""

import asyncio
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from medreason.domain.arms import ARMS
from medreason.domain.user import Role, User
from medreason.engine.protocol import EngineState, Phase
from medreason.services.serving import PUT_AWAY
from medreason.ui import compare


class Serving:
    """A model in a state that the test sets."""

    adapter = ""
    provenance = SimpleNamespace(
        base_model="embedded", base_revision="tiny", self_test="Passed.", precision="bf16", claimed_by=""
    )

    def __init__(self) -> None:
        self.state = EngineState(Phase.LOADING, "Loading.", 0.5)
        self.asked = 0

    def adapters(self) -> list[Any]:
        return []

    def start_loading(self) -> None:
        self.asked += 1
        self.state = EngineState(Phase.LOADING, "Loading.", 0.1)


@pytest.fixture
def serving() -> Serving:
    return Serving()


@pytest.fixture
def tab(serving: Serving) -> Any:
    """The tab's callbacks by their names in the code, and the tab itself."""
    services = SimpleNamespace(serving=serving, cases=(), comparing=None, conversations=None)
    ask = SimpleNamespace(user=lambda request: User(1, "someone", Role.ADMIN))

    async def make() -> Any:  # inside a running loop, or gradio makes one of its own and leaves it open
        with gr.Blocks(analytics_enabled=False) as blocks:
            built = compare.build(services, ask)  # type: ignore[arg-type]
        return SimpleNamespace(built=built, fns={fn.name: fn.fn for fn in blocks.fns.values()})

    return asyncio.run(make())


def test_a_model_put_away_for_training_is_loaded_again_on_request(tab: Any, serving: Serving) -> None:
    serving.state = EngineState(Phase.UNLOADED, PUT_AWAY)
    said, timer, send, _, load = tab.built.refresh(gr.Request())
    assert "Press Load the model" in said
    assert (timer.active, send.interactive, load.visible) == (False, False, True)
    said, timer, load = tab.fns["load_model"](gr.Request())
    assert serving.asked == 1 and "progressbar" in said
    assert (timer.active, load.visible) == (True, False)


def test_a_failed_load_can_be_tried_again(tab: Any, serving: Serving) -> None:
    serving.state = EngineState(Phase.FAILED, "The GPU is full. Close other programs.")
    said, *_, load = tab.built.refresh(gr.Request())
    assert "The GPU is full." in said and load.visible is True


def test_opening_the_tab_leaves_a_ready_model_as_it_is(tab: Any, serving: Serving) -> None:
    serving.state = EngineState(Phase.READY, "", 1.0, tuple(ARMS))
    _, timer, send, _, load = tab.built.refresh(gr.Request())
    assert (timer.active, load.visible) == (False, False)
    assert "interactive" not in send


@pytest.mark.parametrize("reads", range(1, 7))
@pytest.mark.parametrize("name", ["refresh", "watch_model"])
def test_a_model_that_gets_ready_while_it_is_being_shown_is_looked_at_once_more(
    tab: Any, serving: Serving, monkeypatch: pytest.MonkeyPatch, name: str, reads: int
) -> None:
    """It loads for so many reads of its state, and is ready from then on."""
    ready, left = EngineState(Phase.READY, "", 1.0, tuple(ARMS)), [serving.state] * reads
    monkeypatch.setattr(Serving, "state", property(lambda self: left.pop() if left else ready), raising=False)
    callback = tab.built.refresh if name == "refresh" else tab.fns[name]
    said, timer, send, *_ = callback(gr.Request())
    waits = "progressbar" in said or getattr(send, "interactive", True) is False
    assert timer.active or not waits
