"""A whole run under a login: train, compare, rate. What was typed, what the models said, the password and the
tokens stand in no log file and in nothing that the server prints (fault 38)."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import browser as browser_of_tests
from tests.browser.steps import ALL_SCORES, begin_conversation, score, wait_until_done
from tests.browser.test_train import SHORT, fresh_form, state
from tests.conftest import CHECKOUT
from tests.server import Server, share_models

browser = browser_of_tests
PASSWORD = "canary of a password"
HUB, KEY = "hf_CanaryOfTheHubToken", "sk-CanaryOfAKey"
QUESTION = "Canaryquestion: an old man falls often. Why?"
COMMENT, ROW = "Canarycomment: thinks well.", "Canaryrow"
CANARIES = (PASSWORD, HUB, KEY, "Canaryquestion", "Canarycomment", ROW)


@pytest.fixture
def server(tmp_path: Path, embedded_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("HF_TOKEN", HUB)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    data = tmp_path / "data"
    share_models(data, embedded_model.parent)
    command = [sys.executable, "app.py", "user", "add", "ann", "--role", "admin", "--data-dir", str(data)]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, check=True, cwd=CHECKOUT, capture_output=True)
    made = Server(data, "--base-model", "embedded").start()
    yield made
    made.kill()


def rows(path: Path) -> Path:
    thought = "A cough of weeks with night sweats makes tuberculosis likely. " * 5
    row = {"Question": f"{ROW} coughs. Next?", "Complex_CoT": thought, "Response": f"{ROW}: sputum."}
    path.write_text(
        "\n".join(json.dumps({**row, "Question": f"{n} {row['Question']}"}) for n in range(12)), "utf-8"
    )
    return path


def test_nothing_typed_or_secret_is_in_any_log(browser: Browser, server: Server, tmp_path: Path) -> None:
    page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    page.set_default_timeout(60_000)
    page.goto(server.url)
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill("not " + PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=120_000)
    expect(page.get_by_label("Fine-tuned model")).to_have_value(re.compile(r"\S"), timeout=90_000)

    begin_conversation(page, QUESTION, blind=True, longest=16)
    wait_until_done(page)
    said = page.locator(".mr-answer").first.inner_text()
    page.get_by_role("button", name="Rate this pair").click()
    page.get_by_label("Who is rating?").fill("Ann")
    page.get_by_label("Who is rating?").press("Tab")
    score(page, ALL_SCORES, "About the same")
    page.get_by_label("Comment").fill(COMMENT)
    page.get_by_role("button", name="Save rating").click()
    expect(page.get_by_text("Saved", exact=False).first).to_be_visible()

    fresh_form(page, {"Run name": "canary", "Training data": str(rows(tmp_path / "rows.jsonl")), **SHORT})
    page.get_by_role("button", name="Start training").click()
    state(page, "Completed")
    kept = [one for one in server.data.rglob("*") if one.is_file() and one.stat().st_size < 50_000_000]
    logs = [server.log, *(one for one in kept if "log" in one.name)]
    assert any(one.parent.parent.name == "runs" for one in logs), logs
    found = [
        (one.name, canary)
        for one in logs
        for canary in (*CANARIES, *([said] if len(said) > 20 else []))
        if canary in one.read_text("utf-8", errors="replace")
    ]
    assert found == [] and server.printed().count("Traceback") == 0
    secrets = [
        (str(one.relative_to(server.data)), canary)
        for one in kept
        for canary in (PASSWORD, HUB, KEY)
        if canary.encode() in one.read_bytes()
    ]
    assert secrets == []
    print(f"{len(logs)} logs, {sum(one.stat().st_size for one in logs):,} bytes: no canary")
    page.context.close()
