"""The self-test of a server's two names, and what the proof then says and does not say."""

import json

import pytest
from starlette.responses import StreamingResponse

from medreason.domain.answers import Counts
from medreason.domain.arms import Arm
from medreason.errors import MedReasonError
from tests.fake_model_server import Play, ends, says
from tests.integration.engine_steps import answers
from tests.integration.model_server.steps import engine_of, refusal_of


def test_a_server_without_its_adapter_is_refused(server):
    server.plays["tuned"] = server.plays["base"]
    said = refusal_of(engine_of(server))
    assert "both names gave the same words" in said and "is the adapter loaded under the name tuned?" in said
    questions = {body["messages"][0]["content"] for body, _ in server.asked}
    assert len(questions) == 3 and {body["temperature"] for body, _ in server.asked} == {0}


def test_a_server_that_never_repeats_itself_proves_nothing(server):
    count = iter(range(1000))

    def anew():
        async def chunks():
            for chunk in (says(f"word {next(count)}"), ends()):
                yield f"data: {json.dumps(chunk)}\n\n"

        return StreamingResponse(chunks(), media_type="text/event-stream")

    server.plays = {name: Play(answer=anew) for name in server.plays}
    assert "answers one question differently each time" in refusal_of(engine_of(server))


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ([{"id": "base"}, {"id": "other"}], "no model named tuned. It names: base, other."),
        ([{"id": "base", "parent": "real"}, {"id": "tuned"}], "Give --model-baseline real."),
        ([{"id": "base"}, {"id": "tuned", "parent": "real"}], "an adapter on real, not on base"),
    ],
)
def test_names_that_the_servers_list_contradicts_are_refused(server, models, words):
    server.models = models
    assert words in refusal_of(engine_of(server))


@pytest.mark.parametrize("models", [500, 404, "no JSON", '{"data": 3}'])
def test_a_server_without_a_list_is_known_by_its_names_alone(server, models):
    server.models = models
    engine = engine_of(server)
    engine.load()
    assert engine.provenance.base_model == "base"
    assert "keeps no list" in engine.provenance.self_test


def test_another_name_of_the_same_base_is_a_baseline(server):
    server.models = [
        {"id": "real", "root": "org/B"}, {"id": "base", "root": "org/B"}, {"id": "tuned", "parent": "real"},
    ]  # fmt: skip
    engine = engine_of(server)
    engine.load()
    assert engine.provenance.base_model == "org/B"


def test_fields_that_a_server_refuses_are_left_out_for_both_and_told(server):
    server.refused_fields = ("top_k", "continuous_usage_stats")
    engine = engine_of(server)
    engine.load()
    assert "It does not take top-k: left out for both." in engine.provenance.self_test
    server.asked.clear()
    assert answers(engine)[Arm.BASELINE].counts == Counts(7, 0, 2)
    for body, _ in server.asked:
        assert "top_k" not in body and body["stream_options"] == {"include_usage": True}


def test_another_adapter_is_refused_in_words(engine):
    with pytest.raises(MedReasonError, match="To compare another, load it there"):
        engine.switch_adapter(None)
    assert answers(engine)[Arm.FINETUNED].text == "Meningitis."
