"""Every fault of a server is a sentence on the side that it befell, and the other side stands."""

import json
import shutil
import socket
import subprocess

import pytest

from medreason.domain.answers import Finish
from medreason.domain.arms import Arm
from medreason.domain.events import Failed, Finished
from medreason.domain.model_server import ModelServer
from medreason.engine import server_answer
from medreason.engine.openai_compatible import OpenAICompatibleEngine
from medreason.engine.protocol import Phase
from medreason.errors import NotReady
from tests.fake_model_server import FakeModelServer, Play, ends, is_a_page, leads_to, refuses, says
from tests.integration.engine_steps import QUESTION, answers, never
from tests.integration.model_server.steps import SAMPLED, engine_of, refusal_of, spoken

FAULTS = {
    "the connection breaks": (Play([says("Half")], breaks=True), "broke before the answer was whole", "Half"),
    "it says nothing": (Play([says("Half")], hangs=True), "was silent for 0.5 s", "Half"),
    "the stream ends early": (Play([says("Half")]), "broke off before its end", "Half"),
    "no JSON": (Play([says("Half"), "data: {nonsense\n\n"]), "is not JSON", "Half"),
    "JSON of another kind": (Play(["data: [1, 2]\n\n"]), "is no object", ""),
    "choices of another kind": (Play([says("Half"), {"choices": "all"}]), "not in the OpenAI format", "Half"),
    "content of another kind": (
        Play([{"choices": [{"delta": {"content": ["x"]}}]}]),
        "not in the OpenAI format",
        "",
    ),
    "an error in the stream": (
        Play([says("Half"), {"error": {"message": "out of memory"}}]),
        "out of memory",
        "Half",
    ),
    "a line without an end": (Play(["data: " + "x" * 3_000_000]), "a line without an end", ""),
    "an answer without an end": (Play([says("word " * 1000)] * 100), "more than 399,000 characters", None),
    "a filter": (Play([says("Half"), ends("content_filter")]), "filter held the rest", "Half"),
    "a tool": (Play([ends("tool_calls")]), "called a tool", ""),
    "another ending": (Play([says("Half"), ends("abort")]), "“abort”", "Half"),
    "a web page": (is_a_page(), "not a stream", ""),
    "a redirect": (leads_to("/stolen/v1"), "sends on to another address, which is not followed", ""),
    "400": (refuses(400, {"error": {"message": "maximum context length is 4096"}}), "context length is 4096", ""),
    "401": (refuses(401, {"error": {"message": "no"}}), "does not accept the key (401)", ""),
    "403": (refuses(403, {}), "does not accept the key (403)", ""),
    "404 of a name": (
        refuses(404, {"error": {"message": "no such"}}),
        "has no model named tuned. It says: no",
        "",
    ),
    "404 of the address": (refuses(404, {"detail": "Not Found"}), "Does --api-base end in /v1?", ""),
    "418": (refuses(418, {}), "answered with status 418", ""),
    "429": (
        refuses(429, {"message": "slow down"}),
        "too much to do, or a quota is used up (429). It says: slow",
        "",
    ),
    "500": (refuses(500, "oh"), "a fault of its own (500)", ""),
    "503": (refuses(503, {"error": "loading"}), "a fault of its own (503), asked for tuned. It says: loading", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_one_side_is_a_sentence_and_leaves_the_other_standing(server, fault):
    play, words, kept = FAULTS[fault]
    engine = engine_of(server, silence_s=0.5)
    engine.load()
    server.asked.clear()
    server.plays["tuned"] = play
    said = answers(engine)
    assert (said[Arm.BASELINE].finish, said[Arm.BASELINE].text) == (Finish.STOP, "It is viral.")
    failed = said[Arm.FINETUNED]
    assert failed.finish is Finish.FAILED and words in failed.fault
    assert failed.fault[-1] in ".?" and "Traceback" not in failed.fault and len(failed.fault) < 500
    assert kept is None or failed.text == kept
    assert [body["model"] for body, _ in server.asked].count("tuned") == 1  # nothing is asked again unseen
    server.plays["tuned"] = spoken("Meningitis.")
    assert answers(engine)[Arm.FINETUNED].text == "Meningitis."


def test_a_server_that_restarts_is_tested_again_before_it_answers(server, engine):
    server.stop()
    for answer in answers(engine).values():
        assert answer.finish is Finish.FAILED and "cannot be reached" in answer.fault
    assert engine.state.phase is Phase.READY  # the next question tries again
    for answer in answers(engine).values():
        assert "cannot be reached" in answer.fault
    server.start()
    assert answers(engine)[Arm.FINETUNED].text == "Meningitis."
    assert len(server.asked) > 2  # the self-test went before
    server.stop()
    answers(engine)
    server.plays["tuned"] = server.plays["base"]  # came back without its adapter
    server.start()
    for answer in answers(engine).values():
        assert "is the adapter loaded under the name tuned?" in answer.fault
    assert engine.state.phase is Phase.FAILED
    with pytest.raises(NotReady, match="Self-test failed"):
        list(engine.ask_pair(QUESTION, SAMPLED, never))


def test_a_server_that_is_not_there_is_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        said = refusal_of(OpenAICompatibleEngine(ModelServer(address, "base", "tuned")))
    assert said == f"The server at {address} cannot be reached. Is the address right, and the server running?"


def test_what_cannot_be_stored_is_replaced(server, engine):
    server.plays["tuned"] = Play(
        [says("a\x00b"), 'data: {"choices":[{"delta":{"content":"\\ud800c\u2028d"}}]}\n\n', ends()]
    )
    assert answers(engine)[Arm.FINETUNED].text == "a\ufffdb\ufffdc\u2028d"


def test_pieces_that_are_cut_anywhere_come_out_whole(server, engine):
    text = f"data: {json.dumps(says('Fièvre: ça va 🩺'), ensure_ascii=False)}\r\n\r\ndata: {json.dumps(ends())}"
    server.plays["tuned"] = Play(list(text) + ["\n\n"])
    answer = answers(engine)[Arm.FINETUNED]
    assert (answer.text, answer.finish) == ("Fièvre: ça va 🩺", Finish.STOP)


def test_failed_is_the_last_word_of_a_side(server, engine):
    server.plays["tuned"] = Play([says(reasoning="Fever"), "data: {\n\n"])
    mine = [event for event in engine.ask_pair(QUESTION, SAMPLED, never) if event.arm is Arm.FINETUNED]
    assert isinstance(mine[-1], Failed) and sum(isinstance(event, Failed | Finished) for event in mine) == 1


@pytest.mark.parametrize(
    "play", [Play([says("Whole."), ends()], hangs=True), Play([says("Whole."), ends()], breaks=True)]
)
def test_an_answer_that_was_whole_stays_whole_when_only_its_counts_do_not_come(server, engine, play, monkeypatch):
    monkeypatch.setattr(server_answer, "COUNTS_WITHIN_S", 0.2)
    server.plays["tuned"] = play
    answer = answers(engine)[Arm.FINETUNED]
    assert (answer.text, answer.finish, answer.counted) == ("Whole.", Finish.STOP, False)


def test_a_certificate_that_is_not_trusted_gets_no_question(tmp_path, monkeypatch):
    """Until whoever runs the app says with SSL_CERT_FILE that it is to be trusted."""
    program = shutil.which("openssl") or pytest.skip("there is no openssl to make a certificate with")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem"), "-days", "2"]
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *made]
    subprocess.run(command, check=True, capture_output=True)
    server = FakeModelServer(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.plays = {"base": spoken("One."), "tuned": spoken("Two.")}
    server.models = 404
    server.start()
    try:
        assert "a certificate that is not trusted" in refusal_of(engine_of(server, "a-key"))
        assert server.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        trusting = engine_of(server)
        trusting.load()
        assert answers(trusting)[Arm.FINETUNED].text == "Two."
    finally:
        server.stop()
