"""Asking a server of our own: both names at once, thinking split, tokens as told, Stop, nothing left behind."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from medreason.domain.answers import Answer, Counts, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation, Turn
from medreason.domain.events import AnswerText, Finished, Started, ThinkingText
from medreason.domain.provenance import Provenance
from medreason.engine.protocol import Phase
from medreason.errors import NotReady
from tests.fake_model_server import Play, ends, says, usage
from tests.integration.engine_steps import QUESTION, answers, gather, never
from tests.integration.model_server.steps import SAMPLED, engine_of, spoken, within


def test_both_names_answer_with_what_the_server_claims_as_proof(server, engine):
    events = list(engine.ask_pair(QUESTION, SAMPLED, never))
    for arm in ARMS:
        mine = [event for event in events if event.arm is arm]
        assert isinstance(mine[0], Started) and mine[0].model == engine.provenance
        assert isinstance(mine[-1], Finished) and mine[-1].finish is Finish.STOP
        assert all(isinstance(event, AnswerText) for event in mine[1:-1])
    said = gather(events)
    assert (said[Arm.BASELINE].text, said[Arm.FINETUNED].text) == ("It is viral.", "Meningitis.")
    assert said[Arm.BASELINE].counts == Counts(7, 0, 2) and said[Arm.BASELINE].counted
    proof = engine.provenance
    assert (proof.base_model, proof.adapter, proof.precision) == ("org/Base-8B", "tuned", "as served")
    assert proof.claimed_by == f"the server at {server.base}"
    assert proof.base_sha256 == proof.adapter_sha256 == proof.template_sha256 == proof.base_revision == ""
    assert "Self-test passed" in proof.self_test and "the server's word" in proof.self_test


def test_both_names_are_asked_the_same_but_for_their_own_earlier_answers(server, engine):
    earlier = Turn("Chest pain?").with_answer(Arm.BASELINE, answers(engine)[Arm.BASELINE])
    server.asked.clear()
    answers(engine, Conversation("And now?", (earlier,), "Be brief."), SAMPLED)
    bodies = {body.pop("model"): body for body, _ in server.asked}
    messages = {name: body.pop("messages") for name, body in bodies.items()}
    assert bodies["base"] == bodies["tuned"]
    assert bodies["base"].items() >= {
        "temperature": 0.7, "top_p": 0.9, "top_k": 30, "seed": 11, "max_tokens": 77, "stream": True,
        "chat_template_kwargs": {"enable_thinking": True},
    }.items()  # fmt: skip
    assert [one["role"] for one in messages["base"]] == ["system", "user", "assistant", "user"]
    assert (messages["base"][2]["content"], messages["tuned"][2]["content"]) == ("It is viral.", "")
    assert [one["content"] for one in messages["base"] if one["role"] != "assistant"] == [
        one["content"] for one in messages["tuned"] if one["role"] != "assistant"
    ]


def test_both_names_are_asked_at_the_same_moment(server, engine):
    for name in ("base", "tuned"):
        server.plays[name] = Play([*[says("word ")] * 8, ends()], pause_s=0.05)
    events = list(engine.ask_pair(QUESTION, SAMPLED, never))
    texts = [event.arm for event in events if isinstance(event, AnswerText)]
    assert {*texts[:4]} == {*ARMS}  # neither waits for the other's end
    said = gather(events)[Arm.BASELINE].timings
    assert 0.03 < said.first_token_s < said.total_s and said.total_s > 0.4


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "tags"])
def test_thinking_comes_in_a_field_or_between_tags(server, engine, field):
    if field == "tags":
        chunks = [
            says("<thi"),
            says("nk>\nFever. "),
            says("Stiff neck.\n</thi"),
            says("nk>\n\nMening"),
            says("itis."),
        ]
    else:
        chunks = [says(reasoning="\nFever. ", field=field), says(reasoning="Stiff neck.\n", field=field)]
        chunks += [says("\n\nMening"), says("itis.")]
    server.plays["tuned"] = Play([*chunks, ends()])
    events = list(engine.ask_pair(QUESTION, SAMPLED, never))
    answer = gather(events)[Arm.FINETUNED]
    assert (answer.thinking, answer.text) == ("Fever. Stiff neck.", "Meningitis.")
    assert answer.thought and answer.closed and 0 < answer.timings.thinking_s <= answer.timings.total_s
    kinds = [type(event) for event in events if event.arm is Arm.FINETUNED]
    assert kinds.index(AnswerText) > max(i for i, kind in enumerate(kinds) if kind is ThinkingText)


def test_tokens_that_the_server_does_not_tell_are_unknown_not_invented(server, engine):
    parts = [says(reasoning="Fever."), says("Meningitis.")]
    server.plays["base"] = Play([*parts, ends()])  # nothing told
    server.plays["tuned"] = Play([*parts, ends(), usage(9, 30)])  # a total alone
    for answer in answers(engine).values():
        assert not answer.counted and answer.counts.thinking_tokens == answer.counts.answer_tokens == 0
    details = {"completion_tokens_details": {"reasoning_tokens": 20}}
    server.plays["base"] = Play([*parts, ends(), usage(9, 30, **details)])
    on_the_way = [{**part, "usage": {"completion_tokens": 20 + 5 * i}} for i, part in enumerate(parts)]
    server.plays["tuned"] = Play([*on_the_way, ends(), usage(9, 30)])
    for answer in answers(engine).values():
        assert answer.counted and answer.counts == Counts(9, 20, 10)


def test_an_answer_cut_off_within_its_thinking_is_told_as_such(server, engine):
    server.plays["tuned"] = Play([says(reasoning="Fever and"), ends("length"), usage(9, 30)])
    answer = answers(engine)[Arm.FINETUNED]
    assert (answer.finish, answer.thought, answer.closed) == (Finish.LENGTH, True, False)
    assert answer.counts == Counts(9, 30, 0)


def test_stop_ends_both_connections_within_two_seconds_and_keeps_what_was_said(server, engine):
    for name in ("base", "tuned"):
        server.plays[name] = Play([says(f"{name} said ")], hangs=True)
    pressed: list[float] = []
    events = []
    for event in engine.ask_pair(QUESTION, SAMPLED, lambda: bool(pressed)):
        events.append(event)
        if len([one for one in events if isinstance(one, AnswerText)]) == 2 and not pressed:
            pressed.append(time.monotonic())
    took = time.monotonic() - pressed[0]
    said = gather(events)
    assert took < 2 and {answer.finish for answer in said.values()} == {Finish.CANCELLED}
    assert said[Arm.BASELINE].text == "base said"
    assert within(2, lambda: set(server.left) == {"base", "tuned"})
    assert max(server.left.values()) - pressed[0] < 2
    server.plays["base"] = spoken("Next.")
    server.plays["tuned"] = spoken("Next one.")
    assert answers(engine)[Arm.BASELINE].text == "Next."


def test_stop_before_the_first_word_ends_both(server, engine):
    server.plays = {name: Play(hangs=True) for name in server.plays}
    began = time.monotonic()
    said = answers(engine, cancelled=lambda: time.monotonic() - began > 0.3)
    assert time.monotonic() - began < 2
    assert {answer.finish for answer in said.values()} == {Finish.CANCELLED} and len(said) == 2


def test_a_reader_who_leaves_ends_both_connections(server, engine):
    server.plays = {name: Play([says("word")], hangs=True) for name in server.plays}
    stream = engine.ask_pair(QUESTION, SAMPLED, never)
    while not isinstance(next(stream), AnswerText):
        pass
    stream.close()
    assert within(2, lambda: set(server.left) == {"base", "tuned"})
    engine.unload()  # would wait for ever if an answer still counted as running
    assert engine.state.phase is Phase.UNLOADED


def test_unloading_waits_for_running_answers(server, engine):
    stream = engine.ask_pair(QUESTION, SAMPLED, never)
    next(stream)
    unloading = threading.Thread(target=engine.unload)
    unloading.start()
    unloading.join(0.2)
    assert unloading.is_alive()
    assert {event.arm for event in stream if isinstance(event, Finished)} == {*ARMS}
    unloading.join(5)
    assert not unloading.is_alive()
    with pytest.raises(NotReady):
        list(engine.ask_pair(QUESTION, SAMPLED, never))


def test_no_connection_is_used_twice(server):
    """A server may close a connection while it is taken for the next request, which would fail."""
    engine = engine_of(server)
    engine.load()
    answers(engine)
    assert len(server.ports) > 5 and len(set(server.ports)) == len(server.ports)


def test_a_question_leaves_no_connection_and_no_thread_behind(server, engine):
    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    answers(engine)
    threads, files = threading.active_count(), held()
    for _ in range(5):
        answers(engine)
    assert within(2, lambda: threading.active_count() <= threads and held() <= files)


def test_the_proof_is_stored_as_it_is(engine):
    proof = Provenance(engine.provenance, Arm.FINETUNED, SAMPLED)
    assert Provenance.from_dict(proof.as_dict()) == proof
    assert "key" not in " ".join(asdict(engine.provenance))


def test_questions_asked_at_once_are_not_crossed(server, engine):
    """Ten readers at the same moment: each gets the answer to the own question, on both sides."""
    server.plays = {name: Play([says(f" by {name}"), ends()], pause_s=0.05, echoes=True) for name in server.plays}

    def ask(number: int) -> dict[Arm, Answer]:
        return answers(engine, Conversation(f"Question {number}"), SAMPLED)

    with ThreadPoolExecutor(10) as readers:
        for number, said in enumerate(readers.map(ask, range(10))):
            texts = [said[arm].text for arm in ARMS]
            assert texts == [f"Question {number} by base", f"Question {number} by tuned"]
