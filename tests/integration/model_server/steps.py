"""What the tests of the server's engine share."""

import time
from collections.abc import Callable

import pytest

from medreason.domain.model_server import ModelServer
from medreason.domain.sampling import Sampling
from medreason.engine.openai_compatible import OpenAICompatibleEngine
from medreason.engine.protocol import Phase
from medreason.errors import MedReasonError, NotReady
from tests.fake_model_server import FakeModelServer, Play, ends, says, usage

SAMPLED = Sampling(temperature=0.7, top_p=0.9, top_k=30, seed=11, max_new_tokens=77)


def spoken(*words: str) -> Play:
    return Play([*(says(word) for word in words), ends(), usage(7, len(words))])


def engine_of(server: FakeModelServer, key: str = "", silence_s: float = 5.0) -> OpenAICompatibleEngine:
    return OpenAICompatibleEngine(ModelServer(server.base, "base", "tuned"), key, silence_s)


def refusal_of(engine: OpenAICompatibleEngine) -> str:
    """The sentence with which loading is refused; nothing can be asked after it."""
    with pytest.raises(MedReasonError) as told:
        engine.load()
    assert engine.state.phase is Phase.FAILED and engine.state.message == str(told.value)
    with pytest.raises(NotReady):
        _ = engine.provenance
    return str(told.value)


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
