"""The chat model is put away for a training run and brought back."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medreason.domain.user import Role, User
from medreason.engine.protocol import EngineState, Phase
from medreason.engine.scripted import ScriptedEngine
from medreason.errors import Busy, MedReasonError, NotAllowed, NotReady
from medreason.services.serving import PUT_AWAY, AdapterChoice, Serving

ENGINEER = User(1, "engineer", Role.ENGINEER)
CHOICES = [AdapterChoice("demo", "Demo adapter", Path("demo")), AdapterChoice("run:one", "Run one", Path("one"))]


class LoadingEngine(ScriptedEngine):
    """Begins unloaded, counts its loads, and may be told to take its time or to find the GPU taken."""

    def __init__(self) -> None:
        super().__init__()
        self._state = EngineState(Phase.UNLOADED, "No model is loaded.")
        self.loads = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.busy = ""

    def load(self) -> None:
        self.may_go_on.wait(5)
        self.loads += 1
        if self.busy:
            self._state = EngineState(Phase.FAILED, self.busy)
            raise Busy(self.busy)
        super().load()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def engine() -> LoadingEngine:
    return LoadingEngine()


@pytest.fixture
def serving(engine: LoadingEngine) -> Serving:
    made = Serving(lambda: (engine, "demo"), lambda: list(CHOICES))
    made.start_loading()
    return made


def ready(serving: Serving) -> bool:
    return serving.state.phase is Phase.READY


def test_a_model_put_away_says_how_to_bring_it_back(serving: Serving) -> None:
    until(lambda: ready(serving))
    serving.release(ENGINEER)
    assert (serving.state.phase, serving.state.message) == (Phase.UNLOADED, PUT_AWAY)
    with pytest.raises(NotReady, match="Press Load the model"):
        serving.engine()
    serving.start_loading()
    until(lambda: ready(serving))
    assert serving.engine() and serving.adapter == "demo"


def test_the_adapter_in_use_comes_back_with_the_model(serving: Serving, engine: LoadingEngine) -> None:
    until(lambda: ready(serving))
    serving.switch(ENGINEER, "run:one")
    serving.release(ENGINEER)
    serving.start_loading()
    until(lambda: ready(serving) and serving.adapter == "run:one")
    assert engine.provenance.adapter == "one"


def test_an_adapter_that_is_gone_meanwhile_leaves_the_first_one(engine: LoadingEngine) -> None:
    there = list(CHOICES)
    serving = Serving(lambda: (engine, "demo"), lambda: there)
    serving.start_loading()
    until(lambda: ready(serving))
    serving.switch(ENGINEER, "run:one")
    serving.release(ENGINEER)
    del there[1]
    serving.start_loading()
    until(lambda: ready(serving))
    assert serving.adapter == "demo"


def test_a_gpu_that_a_run_holds_is_told_and_loading_may_be_tried_again(engine: LoadingEngine) -> None:
    engine.busy = "The run one holds the GPU."
    serving = Serving(lambda: (engine, "demo"), lambda: list(CHOICES))
    serving.start_loading()
    until(lambda: serving.state.phase is Phase.FAILED)
    assert serving.state.message == engine.busy
    engine.busy = ""
    until(lambda: (serving.start_loading(), ready(serving))[1])
    assert serving.engine()


def test_pressing_load_twice_loads_once(serving: Serving, engine: LoadingEngine) -> None:
    for _ in range(3):
        serving.start_loading()
    until(lambda: ready(serving))
    for _ in range(3):
        serving.start_loading()
    assert engine.loads == 1


def test_putting_away_waits_for_a_load_that_has_begun(engine: LoadingEngine) -> None:
    engine.may_go_on.clear()
    serving = Serving(lambda: (engine, "demo"), lambda: list(CHOICES))
    serving.start_loading()
    thread = threading.Thread(target=serving.release, args=(ENGINEER,))
    thread.start()
    time.sleep(0.05)
    assert thread.is_alive()
    engine.may_go_on.set()
    thread.join(5)
    assert serving.state.message == PUT_AWAY and engine.state.phase is Phase.UNLOADED


def test_putting_away_twice_changes_nothing(serving: Serving) -> None:
    until(lambda: ready(serving))
    serving.release(ENGINEER)
    serving.release(ENGINEER)
    assert serving.state.message == PUT_AWAY


def test_only_who_may_train_may_put_the_model_away(serving: Serving) -> None:
    until(lambda: ready(serving))
    with pytest.raises(NotAllowed):
        serving.release(User(2, "rater", Role.RATER))
    assert ready(serving)


def test_a_model_that_never_loaded_can_be_put_away() -> None:
    def broken() -> tuple[ScriptedEngine, str]:
        raise MedReasonError("The base model is gone.")

    serving = Serving(broken, list)
    serving.release(ENGINEER)
    assert serving.state.message == PUT_AWAY
    serving.start_loading()
    until(lambda: serving.state.message == "The base model is gone.")
