"""A server of our own with two names that answer differently, and an engine that has tested it."""

from collections.abc import Iterator

import pytest

from medreason.engine.openai_compatible import OpenAICompatibleEngine
from tests.fake_model_server import FakeModelServer
from tests.integration.model_server.steps import engine_of, spoken


@pytest.fixture
def server() -> Iterator[FakeModelServer]:
    made = FakeModelServer()
    made.plays = {"base": spoken("It is ", "viral."), "tuned": spoken("Meningitis.")}
    made.models = [{"id": "base", "root": "org/Base-8B", "parent": None}, {"id": "tuned", "parent": "base"}]
    made.start()
    yield made
    made.stop()


@pytest.fixture
def engine(server: FakeModelServer) -> OpenAICompatibleEngine:
    made = engine_of(server)
    made.load()
    server.asked.clear()
    return made
