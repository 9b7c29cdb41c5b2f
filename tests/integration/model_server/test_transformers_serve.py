"""The same engine against a server that is not ours: `transformers serve` on the CPU.

Where words count, its two names are the embedded model and what `merge_adapter.py` makes of it and the demo
adapter; elsewhere two tiny random models, which are quick.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medreason import demo
from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.events import AnswerText, Finished, ThinkingText
from medreason.domain.model_server import ModelServer
from medreason.domain.sampling import Sampling
from medreason.engine import server_test
from medreason.engine.openai_compatible import OpenAICompatibleEngine
from tests.conftest import CHECKOUT
from tests.fixtures_models import CACHE
from tests.integration.engine_steps import QUESTION, answers, gather
from tests.integration.model_server.steps import refusal_of
from tests.server import free_port
from tests.tiny import make_tiny_qwen3

READY_WITHIN_S = 120
SHORT = Sampling(temperature=0, seed=1, max_new_tokens=32)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory, embedded_model: Path) -> Path:
    out = tmp_path_factory.mktemp("merged") / "tuned"
    words = ["--model", "embedded", "--adapter", demo.ADAPTER, "--out", out, "--data-dir", CACHE]
    command = [sys.executable, "training_scripts/merge_adapter.py", *map(str, words)]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return out


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("openai", reason="`transformers serve` needs the package openai of requirements-dev.txt")
    port = free_port()
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        "--device",
        "cpu",
        "--port",
        str(port),
    ]
    with log.open("wb") as printed:
        child = subprocess.Popen(
            command, stdout=printed, stderr=subprocess.STDOUT, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
    try:
        if not answers_at(f"http://127.0.0.1:{port}/health", child):
            pytest.skip(f"`transformers serve` did not start: {log.read_text(errors='replace')[-300:]}")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.kill()
        child.wait()


def answers_at(health: str, child: subprocess.Popen) -> bool:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=2) as page:
                return page.status == 200
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


@pytest.fixture(scope="module", autouse=True)
def few_words() -> Iterator[None]:
    """Two cores say twenty tokens a second: the self-test is content with eight."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_test, "GREEDY", replace(server_test.GREEDY, max_new_tokens=8))
        yield


@pytest.fixture(scope="module")
def server(address: str, embedded_model: Path, merged: Path) -> ModelServer:
    return ModelServer(address, str(embedded_model.resolve()), str(merged))


@pytest.fixture(scope="module")
def engine(server: ModelServer) -> OpenAICompatibleEngine:
    made = OpenAICompatibleEngine(server)
    made.load()
    return made


@pytest.fixture(scope="module")
def tiny_server(address: str, tiny_qwen3: Path, embedded_model: Path, tmp_path_factory) -> ModelServer:
    other = make_tiny_qwen3(tmp_path_factory.mktemp("models") / "another-tiny", embedded_model, seed=8)
    return ModelServer(address, str(tiny_qwen3), str(other))


def test_base_and_merged_model_stream_think_and_are_told_apart(engine, server):
    proof = engine.provenance
    assert (proof.base_model, proof.adapter) == (server.baseline, server.finetuned)
    assert proof.claimed_by == f"the server at {server.api_base}" and proof.base_sha256 == ""
    assert "Self-test passed" in proof.self_test and "does not take top-k" in proof.self_test

    events = list(engine.ask_pair(QUESTION, SHORT, lambda: False))
    said = gather(events)
    assert [said[arm].thought for arm in ARMS] == [False, True]  # the demo adapter makes it think aloud
    assert said[Arm.FINETUNED].thinking and said[Arm.BASELINE].text
    pieces = [event for event in events if isinstance(event, AnswerText | ThinkingText) and event.text]
    assert len(pieces) > 20
    for answer in said.values():
        assert answer.finish is Finish.LENGTH and answer.counted and answer.counts.prompt_tokens > 10
        assert answer.counts.thinking_tokens + answer.counts.answer_tokens == SHORT.max_new_tokens
        assert 0 < answer.timings.first_token_s < answer.timings.total_s


def test_stop_frees_the_server_for_the_next_question(engine):
    pressed: list[float] = []
    events = []
    for event in engine.ask_pair(QUESTION, replace(SHORT, max_new_tokens=2000), lambda: bool(pressed)):
        events.append(event)
        if isinstance(event, AnswerText) and event.text and not pressed:
            pressed.append(time.monotonic())
    assert time.monotonic() - pressed[0] < 2
    ended = [event for event in events if isinstance(event, Finished)]
    assert [event.finish for event in ended] == [Finish.CANCELLED] * 2
    began, few = time.monotonic(), replace(SHORT, max_new_tokens=8)
    assert {answer.finish for answer in answers(engine, sampling=few).values()} == {Finish.LENGTH}
    assert time.monotonic() - began < 60  # two answers of 2,000 tokens would have taken minutes


def test_one_model_under_two_names_is_refused(tiny_server, tmp_path):
    (tmp_path / "another-name").symlink_to(tiny_server.baseline, target_is_directory=True)
    twice = ModelServer(tiny_server.api_base, tiny_server.baseline, str(tmp_path / "another-name"))
    assert "both names gave the same words" in refusal_of(OpenAICompatibleEngine(twice))


def test_a_name_that_is_not_there_is_a_sentence(tiny_server, tmp_path):
    wrong = ModelServer(tiny_server.api_base, tiny_server.baseline, str(tmp_path / "nothing"))
    said = refusal_of(OpenAICompatibleEngine(wrong))
    assert str(tmp_path / "nothing") in said and "(500)" in said


def test_evaluate_asks_it_too(tiny_server, tmp_path):
    cases, out = tmp_path / "cases.jsonl", tmp_path / "out.jsonl"
    cases.write_text(json.dumps({"case_id": "c", "text": "Crushing chest pain. Why?"}) + "\n")
    words = ["--cases", cases, "--out", out, "--greedy", "--max-new-tokens", 8, "--data-dir", tmp_path / "data"]
    words += ["--engine", "openai", "--api-base", tiny_server.api_base]
    words += ["--model-baseline", tiny_server.baseline, "--model-finetuned", tiny_server.finetuned]
    command = [sys.executable, "training_scripts/evaluate.py", *map(str, words)]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["arm"] for row in rows] == ["baseline", "finetuned"]
    assert {row["finish"] for row in rows} == {"length"} and rows[0]["answer"] != rows[1]["answer"]
