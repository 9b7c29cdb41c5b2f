"""evaluate.py with several cases at once: equal answers, in order, killed and gone on with, a fault of one."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medreason.data.answers_file import ahead_of
from medreason.engine.at_once import Question, ask_many
from tests.conftest import CHECKOUT
from tests.fake_model_server import FakeModelServer, Play, ends, says, usage
from tests.integration.engine_steps import GREEDY, QUIET
from tests.integration.engine_steps import engine as engine

pytestmark = QUIET
SCRIPT = CHECKOUT / "training_scripts" / "evaluate.py"


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(SCRIPT), *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), cwd=CHECKOUT, capture_output=True, text=True, timeout=120)


def deck(folder: Path, count: int) -> Path:
    file = folder / "cases.jsonl"
    rows = [
        {"case_id": f"c{number}", "text": f"Case {number}: pain{' in the chest' * (number % 4)}. Why?"}
        for number in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def rows_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def server():
    made = FakeModelServer()
    made.models = [{"id": "base"}, {"id": "tuned", "parent": "base"}]
    made.plays["base"] = Play([says("It is "), says("viral."), ends(), usage(7, 2)], pause_s=0.01)
    made.plays["tuned"] = Play([says("Meningitis."), ends(), usage(7, 1)], pause_s=0.01)
    yield made.start()
    made.stop()


def of_server(server: FakeModelServer, *more: object) -> tuple[object, ...]:
    names = ("--model-baseline", "base", "--model-finetuned", "tuned")
    return ("--engine", "openai", "--api-base", server.base, *names, *more)


def test_in_one_batch_every_case_is_answered_as_it_is_alone(engine, tmp_path):
    from medreason.data.cases import load_cases
    from medreason.domain.conversation import Conversation

    cases = load_cases(deck(tmp_path, 7))
    questions = [Question(case.case_id, Conversation(case.text), GREEDY) for case in cases]

    def said(at_once: int) -> dict:
        asked = ask_many(engine, questions, engine.state.arms, lambda: at_once)
        return {one.key: {arm: (a.thinking, a.text, a.finish) for arm, a in one.answers.items()} for one in asked}

    alone, together = said(1), said(4)
    assert together == alone and len(alone) == 7
    assert len({str(answers) for answers in alone.values()}) > 1
    assert engine.at_once == (8 if engine.decoder.joins else 1)


def test_killed_in_the_middle_it_goes_on_and_ends_as_if_nothing_had_happened(server, tmp_path):
    cases, out, count = deck(tmp_path, 24), tmp_path / "out.jsonl", 24
    server.plays["base"].pause_s = 0.1
    asked = ("--cases", cases, "--out", out, "--at-once", 3, "--data-dir", tmp_path / "data", *of_server(server))
    child = subprocess.Popen(command(*asked), cwd=CHECKOUT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while time.monotonic() < until and not (out.exists() and len(out.read_bytes().splitlines()) >= 8):
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    there = rows_of(out)
    kept = {row["case_id"] for row in there} | {
        json.loads(line)["case_id"] for line in ahead_of(out).read_text(encoding="utf-8").splitlines()
    }
    assert [row["case_id"] for row in there[::2]] == [f"c{number}" for number in range(len(there) // 2)]
    assert 4 <= len(kept) < count
    questions = len(server.asked)
    server.plays["base"].pause_s = 0.0
    again = run(*asked, "--resume")
    assert again.returncode == 0, again.stderr
    assert f"{len(kept)} of {count} cases were answered before" in again.stderr
    assert [(row["case_id"], row["arm"]) for row in rows_of(out)] == [
        (f"c{number}", arm) for number in range(count) for arm in ("baseline", "finetuned")
    ]
    assert out.read_text(encoding="utf-8").startswith("".join(json.dumps(row) + "\n" for row in there))
    texts = [body["messages"][-1]["content"] for body, _ in server.asked[questions:]]
    assert sum(text.startswith("Case ") for text in texts) == 2 * (count - len(kept))
    assert not ahead_of(out).exists() and f"average over {count} of {count} cases" in again.stdout
    assert "left" in again.stderr


def test_a_fault_of_one_case_leaves_the_others_and_is_asked_again(server, tmp_path):
    from starlette.responses import JSONResponse

    cases, out = deck(tmp_path, 6), tmp_path / "out.jsonl"
    usual, broken = server._chat, []

    async def chat(request):
        if (await request.json())["messages"][-1]["content"].startswith("Case 2") and len(broken) < 2:
            broken.append(1)
            return JSONResponse({"error": {"message": "The engine is out of memory."}}, 500)
        return await usual(request)

    next(route for route in server._server.config.app.routes if "chat" in route.path).app = _as_app(chat)
    asked = ("--cases", cases, "--out", out, "--at-once", 6, "--data-dir", tmp_path / "data", *of_server(server))
    first = run(*asked)
    assert first.returncode == 0, first.stderr
    finishes = [row["finish"] for row in rows_of(out)]
    assert finishes == ["stop"] * 4 + ["failed"] * 2 + ["stop"] * 6
    assert "failed: baseline 1, fine-tuned 1" in first.stdout
    again = run(*asked, "--resume")
    assert again.returncode == 0 and "5 of 6 cases were answered before" in again.stderr
    assert [row["case_id"] for row in rows_of(out)] == [f"c{number}" for number in range(6) for _ in range(2)]
    assert {row["finish"] for row in rows_of(out)} == {"stop"}


def _as_app(endpoint):
    from starlette.routing import request_response

    return request_response(endpoint)


def test_a_server_that_fails_case_after_case_is_left_alone_before_the_deck_is_through(server, tmp_path):
    cases, out = deck(tmp_path, 60), tmp_path / "out.jsonl"
    asked = ("--cases", cases, "--out", out, "--at-once", 2, "--data-dir", tmp_path / "data", *of_server(server))
    child = subprocess.Popen(command(*asked), cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while time.monotonic() < until and not (out.exists() and len(out.read_bytes().splitlines()) >= 4):
        time.sleep(0.02)
    server.stop()
    _, told = child.communicate(timeout=90)
    assert child.returncode == 2 and "10 cases in a row failed" in told.splitlines()[-1], told
    assert "go on with --resume" in told.splitlines()[-1] and "Traceback" not in told
    assert len({row["case_id"] for row in rows_of(out)}) < 60


def test_the_script_takes_what_the_engine_gains_by_unless_told(monkeypatch, tmp_path):
    from medreason.engine.scripted import ScriptedEngine

    spec = importlib.util.spec_from_file_location("evaluate", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    seen: list[int] = []
    monkeypatch.setattr(script, "make_engine", lambda *given: ScriptedEngine(at_once=5))
    monkeypatch.setattr(script, "evaluate", lambda e, cases, s, at_once, *rest: seen.append(at_once) or [])
    monkeypatch.setattr(script, "summary", lambda said: [])
    cases = deck(tmp_path, 2)
    for number, more in enumerate(([], ["--at-once", "9"])):
        words = [
            "--cases",
            str(cases),
            "--out",
            str(tmp_path / f"o{number}"),
            "--data-dir",
            str(tmp_path / "data"),
        ]
        assert script.main([*words, *more]) == 0
    assert seen == [5, 9]
