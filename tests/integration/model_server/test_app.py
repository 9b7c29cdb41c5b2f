"""The app and evaluate.py with a server in place of weights: what is loaded, shown, stored and printed."""

import json
import subprocess
import sys

import pytest

from medreason.assembly import assemble
from medreason.domain.arms import ARMS, Side
from medreason.domain.model_server import ModelServer
from medreason.domain.user import User
from medreason.errors import MedReasonError, NotFound
from medreason.services.services import Services
from medreason.settings import AppSettings
from medreason.ui import answer_view, render
from medreason.ui.page import foot
from tests.conftest import CHECKOUT
from tests.fake_model_server import Play, ends, says, usage
from tests.integration.model_server.steps import SAMPLED, spoken, within


@pytest.fixture
def services(server, tmp_path) -> Services:
    settings = AppSettings(data_dir=tmp_path / "data", server=ModelServer(server.base, "base", "tuned"))
    settings.folder.prepare()
    made = assemble(settings)
    made.serving.start_loading()
    assert within(10, lambda: bool(made.serving.state.arms)), made.serving.state
    return made


@pytest.fixture
def user(services) -> User:
    return services.people.current_user(None)


def test_a_pair_is_asked_and_stored_with_its_claims(server, services, user):
    server.plays["tuned"] = Play([says(reasoning="Fever."), says("Meningitis."), ends(), usage(9, 30)])
    live = services.comparing.ask(user, "Fever?", SAMPLED, blind=False)
    assert live.finished.wait(10)
    (view,) = services.conversations.open(user, live.pair.conversation_id)
    assert (view.left.answer.text, view.right.answer.text) == ("It is viral.", "Meningitis.")
    assert "Tokens not told by the server" in answer_view.ending(view, Side.RIGHT)["figures"]
    assert "2 tokens of answer" in answer_view.ending(view, Side.LEFT)["figures"]
    told = dict(answer_view.facts(view.right.provenance, view.right.answer))
    assert (told["Thinking"], told["Speed"]) == ("tokens not told by the server", "")
    assert told["As claimed by"].startswith("the server at") and "weights" not in told["Model"] + told["Adapter"]


def test_a_servers_answers_cannot_be_continued(server, services, user):
    server.plays["tuned"] = Play([says("Half an"), ends("length"), usage(9, 2)])
    live = services.comparing.ask(user, "Fever?", SAMPLED, blind=False)
    assert live.finished.wait(10)
    (view,) = services.conversations.open(user, live.pair.conversation_id)
    assert view.whole and not view.can_continue
    with pytest.raises(MedReasonError, match="cannot go on from where"):
        services.comparing.go_on(user, view.pair_id, 100)


def test_the_page_claims_no_more_than_the_server_does(services):
    shown = render.model_ready(services.serving.state, services.serving.provenance)
    assert "as claimed by the server at" in shown and "Precision: as served." in shown
    assert "untouched" not in shown and "adapter changes it" not in shown
    (only,) = services.serving.adapters()
    assert not services.training.compare_holds_gpu()
    assert only.label == "tuned (on the server)" and services.serving.adapter == only.key


def test_the_page_says_where_questions_are_sent(server, services):
    assert f"What you ask is sent to the server at {server.base}." in foot(services.serving.sent_to)
    assert "Nothing is sent elsewhere." in foot("")


def test_another_adapter_cannot_be_chosen(services, user):
    with pytest.raises(NotFound, match="a server holds the models"):
        services.serving.switch(user, "run:mine")


def test_a_conversation_does_not_go_on_with_another_servers_model(server, services, user, tmp_path):
    live = services.comparing.ask(user, "Fever?", SAMPLED, blind=False)
    assert live.finished.wait(10)
    number = live.pair.conversation_id
    again = services.comparing.ask(user, "And then?", SAMPLED, blind=False, conversation_id=number)
    assert again.finished.wait(10)
    server.plays["newer"] = spoken("Something else.")
    server.models = 404
    settings = AppSettings(data_dir=tmp_path / "data", server=ModelServer(server.base, "base", "newer"))
    other = assemble(settings)
    other.serving.start_loading()
    assert within(10, lambda: bool(other.serving.state.arms)), other.serving.state
    with pytest.raises(MedReasonError, match="was changed after this conversation began"):
        other.comparing.ask(user, "And now?", SAMPLED, blind=False, conversation_id=number)


def test_asking_a_server_loads_no_model_software(server, tmp_path):
    code = f"""
import sys
from pathlib import Path
from medreason.assembly import assemble
from medreason.domain.conversation import Conversation
from medreason.domain.model_server import ModelServer
from medreason.domain.sampling import Sampling
from medreason.settings import AppSettings
import medreason.ui.page, medreason.web.site
settings = AppSettings(data_dir=Path({str(tmp_path)!r}), server=ModelServer({server.base!r}, "base", "tuned"))
settings.folder.prepare()
engine, key = assemble(settings).serving._make_engine()
engine.load()
list(engine.ask_pair(Conversation("Fever?"), Sampling(), lambda: False))
print([name for name in ("torch", "transformers", "peft", "openai") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr


def run_evaluate(tmp_path, *words: object) -> subprocess.CompletedProcess:
    cases = tmp_path / "cases.jsonl"
    cases.write_text("".join(json.dumps({"case_id": f"c{n}", "text": f"Case {n}?"}) + "\n" for n in range(3)))
    command = [sys.executable, "training_scripts/evaluate.py", "--cases", cases, "--data-dir", tmp_path / "data"]
    return subprocess.run([*map(str, command), *map(str, words)], cwd=CHECKOUT, capture_output=True, text=True)


def test_evaluate_asks_a_server_case_after_case_where_one_is_asked_at_once(server, tmp_path):
    server.plays["tuned"] = Play([says("<think>Fever.</think>Meningitis."), ends(), usage(9, 30)])
    out = tmp_path / "out.jsonl"
    ran = run_evaluate(
        tmp_path, "--engine", "openai", "--api-base", server.base, "--model-baseline", "base",
        "--model-finetuned", "tuned", "--greedy", "--at-once", 1, "--out", out,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["case_id"], row["arm"]) for row in rows] == [
        (f"c{n}", str(arm)) for n in range(3) for arm in ARMS
    ]
    assert [row["answer"] for row in rows[:2]] == ["It is viral.", "Meningitis."]
    assert {row["provenance"]["model"]["claimed_by"] for row in rows} == {f"the server at {server.base}"}
    asked = [body["messages"][-1]["content"] for body, _ in server.asked][-6:]
    assert asked == ["Case 0?"] * 2 + ["Case 1?"] * 2 + ["Case 2?"] * 2
    assert "c1       not told by the server" in ran.stdout
    assert "thinking trace and then answers: baseline 0 of 3, fine-tuned 3 of 3" in ran.stdout


def test_evaluate_refuses_a_server_without_its_adapter(server, tmp_path):
    server.plays["tuned"] = server.plays["base"]
    words = ["--api-base", server.base, "--model-baseline", "base", "--model-finetuned", "tuned"]
    ran = run_evaluate(tmp_path, *words, "--out", tmp_path / "out.jsonl")
    assert ran.returncode == 2 and "is the adapter loaded" in ran.stderr and "Traceback" not in ran.stderr
    assert not (tmp_path / "out.jsonl").exists()
