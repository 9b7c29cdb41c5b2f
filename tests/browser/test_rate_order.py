"""What changes the Rate screen is asked and answered in order, however slow one of the answers is."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.rate_page import RatePage, served
from tests.studies import StudyDesk

# Gradio's own bookkeeping, in the thread that serves the page.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
LONGEST_S = 15.0


class SlowDesk:
    """Ratings whose desk, for one name, comes only when it is let through. `opened` are the pairs asked for."""

    def __init__(self, rating: Any, name: str):
        self._rating, self._name = rating, name
        self.asked, self.through = threading.Event(), threading.Event()
        self.opened: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rating, name)

    def waiting(self, user: Any, rater: str) -> Any:
        if rater == self._name:
            self.asked.set()
            self.through.wait(LONGEST_S)
        return self._rating.waiting(user, rater)

    def open_live(self, user: Any, rater: str, pair_id: int) -> Any:
        self.opened.append(pair_id)
        return self._rating.open_live(user, rater, pair_id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyDesk]:
    made = StudyDesk(tmp_path / "a.db")
    made.pair("case-one")
    yield made
    made.close()


@pytest.fixture
def slow(store: StudyDesk) -> SlowDesk:
    return SlowDesk(store.rating, "Anna")


@pytest.fixture
def site(store: StudyDesk, slow: SlowDesk) -> Iterator[RatePage]:
    with served(SimpleNamespace(rating=slow, sessions=store.sessions), store.admin) as page:
        yield page


@pytest.fixture
def page(browser: Browser, site: RatePage) -> Iterator[Page]:
    opened = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    opened.goto(site.url)
    expect(opened.get_by_role("button", name="Rate:")).to_be_visible()
    expect(opened.locator("html[data-rate-busy]")).to_have_count(0)
    yield opened
    opened.context.close()


def sheet_stays(page: Page, store: StudyDesk) -> None:
    """The sheet is there, and still there when something later has gone to the program and back."""
    heading = page.get_by_role("heading", name="Rate this pair")
    expect(heading).to_be_visible()
    expect(page.locator("html[data-rate-busy]")).to_have_count(0)
    page.get_by_label("Comment").fill("Mrs Miller, MRN 1234567")
    expect(page.locator("#rate-reply")).to_contain_text("is kept nowhere yet")
    expect(heading).to_be_visible()


def test_a_press_right_after_the_name_opens_the_sheet_and_no_late_desk_takes_it_away(
    page: Page, store: StudyDesk, slow: SlowDesk
) -> None:
    page.get_by_label("Who is rating?").fill("Anna")
    page.get_by_role("button", name="Rate:").click()
    expect(page.get_by_role("heading", name="Rate this pair")).to_be_visible()
    slow.through.set()
    sheet_stays(page, store)


def test_a_press_while_the_desk_is_being_fetched_waits_for_it(
    page: Page, store: StudyDesk, slow: SlowDesk
) -> None:
    name = page.get_by_label("Who is rating?")
    name.fill("Anna")
    name.press("Enter")
    assert slow.asked.wait(LONGEST_S)
    page.get_by_role("button", name="Rate:").click()
    expect(page.locator("html[data-rate-busy]")).to_have_count(1)
    assert slow.opened == []
    slow.through.set()
    expect(page.get_by_role("heading", name="Rate this pair")).to_be_focused()
    sheet_stays(page, store)
    assert slow.opened


@pytest.mark.parametrize("leaving", ["Enter", "Tab"])
def test_a_name_that_stands_brings_its_desk(page: Page, slow: SlowDesk, leaving: str) -> None:
    slow.through.set()
    name = page.get_by_label("Who is rating?")
    expect(page.get_by_text("Write your name above")).to_be_visible()
    name.fill("Anna")
    name.press(leaving)
    expect(page.get_by_text("No study waits for you under this name")).to_be_visible()


def test_a_double_press_opens_once_and_leaving_comes_after(page: Page, slow: SlowDesk) -> None:
    slow.through.set()
    page.get_by_label("Who is rating?").fill("Anna")
    page.get_by_role("button", name="Rate:").dblclick()
    expect(page.get_by_role("heading", name="Rate this pair")).to_be_visible()
    page.get_by_role("button", name="Back to what waits").click()
    expect(page.get_by_role("heading", name="Your studies")).to_be_focused()
    expect(page.get_by_role("button", name="Rate:")).to_be_visible()


class SlowMemory(SlowDesk):
    """Ratings that tell only when let through who rated last."""

    def last_rater_name(self, user: Any) -> str:
        self.asked.set()
        self.through.wait(LONGEST_S)
        return self._name


def test_nobody_types_a_name_before_the_one_who_rated_last_is_filled_in(
    browser: Browser, store: StudyDesk
) -> None:
    ratings = SlowMemory(store.rating, "Bob")
    with served(SimpleNamespace(rating=ratings, sessions=store.sessions), store.admin) as site:
        page = browser.new_context().new_page()
        page.goto(site.url)
        name = page.get_by_label("Who is rating?")
        assert ratings.asked.wait(LONGEST_S)
        expect(name).to_be_disabled()
        ratings.through.set()
        expect(name).to_have_value("Bob")
        name.fill("Anna")
        name.press("Enter")
        expect(page.get_by_text("No study waits for you under this name")).to_be_visible()
        expect(name).to_have_value("Anna")
        page.context.close()
