"""A Chromium and the real app with the embedded model, one of each for all browser tests.

A failed test leaves a screenshot and the server's log in test-results/.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.chromium import find_chromium
from tests.conftest import CHECKOUT
from tests.fake_model_server import FakeModelServer, Play, ends, says
from tests.integration.model_server.steps import spoken
from tests.server import Server, running, share_models

RESULTS = CHECKOUT / "test-results"
# Two busy cores may take their time; a test fails for what is wrong, not for what is slow.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium is installed and none can be")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
        )
        yield started
        started.close()


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory, embedded_model: Path) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("app") / "data"
    share_models(data, embedded_model.parent)
    with running(data, "--base-model", "embedded") as server:
        yield server


@pytest.fixture
def models() -> Iterator[FakeModelServer]:
    """A server that plays both models."""
    server = FakeModelServer()
    thought = [says(reasoning="Fever and a stiff neck."), says("Meningitis."), ends()]
    server.plays = {"base": spoken("It is ", "viral."), "tuned": Play(thought)}
    server.models = 404
    server.start()
    yield server
    server.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    item.stash[FAILED] = outcome.get_result().failed or item.stash.get(FAILED, False)  # type: ignore[attr-defined]


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def page(browser: Browser, app: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A fresh browser context on the app's page, with the model ready and no console surprise."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    opened.goto(app.url)
    expect(opened.get_by_role("button", name="Send")).to_be_enabled(timeout=90_000)
    # A page that has just opened is filled with what was there before; whoever types sooner is overtaken.
    expect(opened.get_by_label("Fine-tuned model")).to_have_value(re.compile(r"\S"), timeout=90_000)
    yield opened
    if request.node.stash.get(FAILED, False):
        RESULTS.mkdir(exist_ok=True)
        opened.screenshot(path=RESULTS / f"{request.node.name}.png", full_page=True)
        (RESULTS / f"{request.node.name}.log").write_text(app.printed(), encoding="utf-8")
    context.close()
