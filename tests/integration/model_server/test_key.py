"""The key reaches the server it is meant for and is shown nowhere."""

import logging

import pytest

from medreason.domain.arms import Arm
from medreason.domain.model_server import ModelServer
from medreason.engine.openai_compatible import OpenAICompatibleEngine
from medreason.engine.server_connection import read_key
from medreason.errors import MedReasonError
from tests.fake_model_server import leads_to, refuses
from tests.integration.engine_steps import answers
from tests.integration.model_server.steps import engine_of, refusal_of

KEY = "sk-very-secret-0123456789"


def test_the_key_is_sent_and_shown_nowhere(server, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    server.key = KEY
    monkeypatch.setenv("A_KEY", KEY)
    named = ModelServer(server.base, "base", "tuned", "A_KEY")
    engine = OpenAICompatibleEngine(named, read_key(named))
    engine.load()
    assert answers(engine)[Arm.FINETUNED].text == "Meningitis."
    assert {headers["authorization"] for _, headers in server.asked} == {f"Bearer {KEY}"}
    server.plays["tuned"] = refuses(500, {"error": {"message": f"rejected {KEY} of yours"}})
    fault = answers(engine)[Arm.FINETUNED].fault
    server.key = "another"
    told = [fault, refusal_of(engine), repr(engine), repr(named), caplog.text]
    assert "rejected … of yours" in fault and "does not accept the key" in told[1]
    assert not any(KEY in one for one in told)


def test_no_key_is_sent_where_none_is_named(server, engine, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    answers(engine)
    assert all("authorization" not in headers for _, headers in server.asked)


def test_a_key_that_is_missing_or_broken_is_a_sentence_without_it(monkeypatch):
    named = ModelServer("http://127.0.0.1:1/v1", "base", "tuned", "A_KEY")
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(MedReasonError, match="not set, or empty"):
        read_key(named)
    monkeypatch.setenv("A_KEY", "sk-secret\r\nX: y")
    with pytest.raises(MedReasonError, match="characters that no key has") as told:
        read_key(named)
    assert "secret" not in str(told.value)


def test_neither_proxy_nor_redirect_gets_the_key(server, monkeypatch):
    """With a proxy in the environment the request goes to the server all the same; a redirect's target hears
    nothing."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    engine = engine_of(server, KEY)
    engine.load()
    server.asked.clear()
    server.plays = {name: leads_to(f"http://127.0.0.1:{server.port}/stolen/") for name in server.plays}
    answers(engine)
    assert len(server.asked) == 2  # the two that were redirected
