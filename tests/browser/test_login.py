"""Logging in and out as people do it, on each width and in each scheme, also without JavaScript."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from medreason.domain.arms import Arm
from medreason.engine.scripted import Script, ScriptedEngine
from tests.browser.steps import begin_conversation, open_tab
from tests.logins import PASSWORD
from tests.shell import Shell, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, str]]:
    engine = ScriptedEngine()
    for arm in Arm:
        engine.plays(arm, Script("It may be gout.", "Gout."))
    with served(tmp_path_factory.mktemp("login"), engine=engine) as made:
        yield made


@pytest.fixture
def opened(browser: Browser, site: tuple[Shell, str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.goto(site[1])
    yield page
    context.close()


def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820])
def test_the_login_page_can_be_used_by_everybody(
    browser: Browser, site: tuple[Shell, str], scheme: str, width: int
) -> None:
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(site[1])
    expect(page).to_have_url(re.compile("/login"))
    for wrong in (False, True):
        if wrong:
            log_in(page, "nobody", "not the password")
            expect(page.get_by_role("alert")).to_contain_text("do not belong together")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        assert [one["id"] for one in Axe().run(page).response["violations"]] == []
    context.close()


def test_name_and_password_are_known_to_password_managers_and_the_keyboard_suffices(opened: Page) -> None:
    expect(opened.get_by_label("Name")).to_be_focused()
    expect(opened.get_by_label("Name")).to_have_attribute("autocomplete", "username")
    expect(opened.get_by_label("Password")).to_have_attribute("autocomplete", "current-password")
    opened.keyboard.type("lea")
    opened.keyboard.press("Tab")
    opened.keyboard.type(PASSWORD)
    opened.keyboard.press("Enter")
    expect(opened.get_by_text("lea · lead")).to_be_visible()


def test_it_works_without_javascript(browser: Browser, site: tuple[Shell, str]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site[1]}/login")
    log_in(page, "ann", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site[1]}/")
    assert "medreason" in [one["name"] for one in context.cookies()]
    context.close()


@pytest.mark.parametrize(
    ("name", "tabs"),
    [
        ("eve", ["Compare", "Results", "Train"]),
        ("lea", ["Compare", "Rate", "Results"]),
        ("rae", ["Compare", "Rate"]),
    ],
)
def test_everybody_sees_their_own_tabs_and_leaves(opened: Page, name: str, tabs: list[str]) -> None:
    faults: list[str] = []
    opened.on("pageerror", lambda fault: faults.append(str(fault)))
    log_in(opened, name)
    expect(opened.get_by_text(f"{name} ·")).to_be_visible()
    top = opened.get_by_role("tab").all_inner_texts()
    assert [one for one in top if one in ("Compare", "Rate", "Results", "Train")] == tabs
    for tab in tabs:
        open_tab(opened, tab)
        expect(opened.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
    opened.get_by_role("button", name="Log out").click()
    expect(opened.get_by_role("button", name="Log in")).to_be_visible()
    opened.go_back()
    expect(opened.get_by_role("button", name="Log in")).to_be_visible()
    assert faults == []


def test_a_rater_asks_blind_and_leaves_nothing_in_the_browser(opened: Page, site: tuple[Shell, str]) -> None:
    """Fault 12."""
    log_in(opened, "rae")
    expect(opened.get_by_role("button", name="Send")).to_be_enabled()
    expect(opened.get_by_label("Blind")).to_be_checked()
    expect(opened.get_by_label("Blind")).to_be_disabled()
    expect(opened.get_by_label("Fine-tuned model")).to_have_count(0)
    opened.get_by_label("Question").fill("PATIENT-CANARY with a red toe?")
    opened.get_by_label("Question").press("Enter")
    expect(opened.get_by_role("button", name="Rate this pair")).to_be_enabled()
    kept = opened.evaluate(
        """async () => JSON.stringify([{...localStorage}, {...sessionStorage}, await indexedDB.databases(),
        await caches.keys(), location.href, document.cookie])"""
    )
    assert [word for word in ("CANARY", "Gout", "rae", PASSWORD) if word in kept] == []


def test_when_the_login_ends_the_page_says_so_and_keeps_what_was_typed(
    opened: Page, site: tuple[Shell, str]
) -> None:
    log_in(opened, "bob")
    expect(opened.get_by_role("button", name="Send")).to_be_enabled()
    opened.get_by_label("Question").fill("What causes a barking cough?")
    site[0].desk.people.end_logins("bob")
    opened.get_by_role("button", name="Send").click()
    told = opened.get_by_text("You are logged out, so this was not done.")
    expect(told).to_be_visible()
    expect(opened.get_by_label("Question")).to_have_value("What causes a barking cough?")
    with opened.context.expect_page() as other:
        opened.get_by_role("link", name="Log in again").click()
    log_in(other.value, "bob")
    expect(other.value.get_by_text("bob ·")).to_be_visible()
    other.value.close()
    opened.get_by_role("button", name="Send").click()
    expect(opened.get_by_role("button", name="Rate this pair")).to_be_enabled()
    expect(told).to_have_count(0)


def test_an_engineer_compares_openly(opened: Page) -> None:
    log_in(opened, "eve")
    expect(opened.get_by_role("button", name="Send")).to_be_enabled()
    expect(opened.get_by_label("Fine-tuned model")).to_be_visible()
    begin_conversation(opened, "A red toe?")
    expect(opened.get_by_role("button", name="Regenerate")).to_be_enabled()
    expect(opened.get_by_role("button", name="Rate this pair")).to_have_count(0)
    expect(opened.get_by_text("Done. To go on, ask a further question, or press Regenerate.")).to_be_visible()
