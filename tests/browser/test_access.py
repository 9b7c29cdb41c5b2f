"""Every tab can be read and used by everybody: axe-core finds nothing serious, nothing scrolls sideways."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import begin_conversation, open_tab, wait_until_done
from tests.server import Server

TABS = ("Compare", "Rate", "Results", "Train")


@pytest.fixture(scope="module")
def asked(browser: Browser, app: Server) -> None:
    """One finished pair, so that every tab has something to show."""
    page = browser.new_page()
    page.goto(app.url)
    expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=90_000)
    begin_conversation(page, "A child has a barking cough. What is it?", longest=24)
    wait_until_done(page)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820])
def test_nothing_serious_on_any_tab(browser: Browser, app: Server, asked: None, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(app.url)
    expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=90_000)
    found = []
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(700)  # transitions and the first redraw have to end before colours are read
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 1:
            found.append(f"{tab}: scrolls sideways by {overflow} px")
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                where = [node["html"][:120] for node in one["nodes"][:3]]
                found.append(f"{tab}: {one['id']} ({one['impact']}) {where}")
    context.close()
    assert found == []


def test_no_request_leaves_this_computer_and_no_script_is_blocked(page: Page, app: Server) -> None:
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    page.reload()
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(300)
    assert [url for url in asked_for if not url.startswith((app.url, "data:", "blob:"))] == []
