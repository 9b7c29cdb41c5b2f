"""The page with a server in place of weights: what it claims, Stop, a fault on one side, a missing adapter."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import begin_conversation, said, send, wait_until_done
from tests.fake_model_server import FakeModelServer, Play, refuses, says
from tests.integration.model_server.steps import within
from tests.server import running


@pytest.fixture
def opened(models: FakeModelServer, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    names = ["--api-base", models.base, "--model-baseline", "base", "--model-finetuned", "tuned"]
    with running(tmp_path / "data", *names) as app:
        page = browser.new_page()
        page.goto(app.url)
        yield page
        page.close()


def test_two_names_of_a_server_are_compared_as_its_claims(models: FakeModelServer, opened: Page) -> None:
    expect(opened.get_by_text("is as claimed by the server at")).to_be_visible()
    expect(opened.get_by_text(f"What you ask is sent to the server at {models.base}.")).to_be_visible()
    begin_conversation(opened, "Fever and a stiff neck?")
    wait_until_done(opened)
    assert said(opened, 1) == "It is viral."
    assert said(opened, 2) == "Fever and a stiff neck. Meningitis."
    expect(opened.get_by_text("Tokens not told by the server")).to_be_visible()

    models.plays["tuned"] = refuses(429, {})
    send(opened, "And then?")
    expect(opened.get_by_text("a quota is used up (429). Ask again later.")).to_be_visible()
    expect(opened.locator("#side-1 .prose.mr-answer")).to_have_text("It is viral.")

    models.plays = {name: Play([says("Still talking")], hangs=True) for name in models.plays}
    send(opened, "And now?")
    expect(opened.locator("#side-2").get_by_text("Still talking")).to_be_visible()
    opened.get_by_role("button", name="Stop").click()
    expect(opened.get_by_text("stopped by you").first).to_be_visible()
    assert within(2, lambda: set(models.left) == {"base", "tuned"})


def test_a_server_without_its_adapter_can_be_asked_once_it_has_one(
    models: FakeModelServer, browser, tmp_path
) -> None:
    tuned, models.plays["tuned"] = models.plays["tuned"], models.plays["base"]
    names = ["--api-base", models.base, "--model-baseline", "base", "--model-finetuned", "tuned"]
    with running(tmp_path / "data", *names) as app:
        page = browser.new_page()
        page.goto(app.url)
        expect(page.get_by_text("is the adapter loaded under the name tuned?")).to_be_visible()
        expect(page.get_by_role("button", name="Send")).to_be_disabled()
        models.plays["tuned"] = tuned
        page.get_by_role("button", name="Load the model").click()
        expect(page.get_by_role("button", name="Send")).to_be_enabled()
        page.close()
