"""Rate by keyboard alone from the first screen to the last, and by touch: nothing needs a mouse."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, Page, expect

from medreason.domain.rater import RaterFacts
from tests.rate_page import served
from tests.studies import NAME, StudyDesk, plan, rate, with_study

# Gradio's own bookkeeping, in the thread that serves the page.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
MOST_TABS = 80
FOCUSED = """() => {
  const at = document.activeElement;
  const label = at.closest("label") || at.parentElement.querySelector("label");
  return (at.getAttribute("aria-label") || at.innerText || "") + "|" + (label ? label.innerText : "");
}"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[StudyDesk]:
    made = StudyDesk(tmp_path / "a.db")
    yield made
    made.close()


def go_to(page: Page, name: str, back: bool = False) -> None:
    """Tab on, or back, until what is named has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if name in page.evaluate(FOCUSED):
            return
    raise AssertionError(f"“{name}” cannot be reached by Tab; the focus is on {page.evaluate(FOCUSED)!r}")


def keys(page: Page, sequence: str) -> None:
    for key in sequence:
        page.keyboard.press("Enter" if key == "!" else key)


def test_a_study_from_the_name_to_the_end_by_keyboard_alone(browser: Browser, desk: StudyDesk) -> None:
    desk.open_study(plan(title="Nephrology pilot", count=2))
    with served(SimpleNamespace(rating=desk.rating, sessions=desk.sessions), desk.local) as site:
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.goto(site.url)
        expect(page.get_by_text("Write your name above")).to_be_visible()
        go_to(page, "Who is rating?")
        page.keyboard.type("Anna")
        page.keyboard.press("Tab")
        expect(page.get_by_role("heading", name="Nephrology pilot")).to_be_visible()
        if "Begin" not in page.evaluate(FOCUSED):
            go_to(page, "Begin: Nephrology pilot")
        keys(page, "!")
        expect(page.get_by_role("heading", name="Nephrology pilot")).to_be_focused()
        go_to(page, "What are you by profession?")
        page.keyboard.type("Phar")
        go_to(page, "Years in practice")
        page.keyboard.type("9")
        go_to(page, "I have read this and take part")
        keys(page, "!")
        for number in (1, 2):
            expect(page.get_by_role("heading", name=f"practice case {number} of 2")).to_be_focused()
            keys(page, "4541" + "2301" + "2" + "!")
            expect(page.get_by_role("heading", name="how this practice case is rated")).to_be_focused()
            go_to(page, "Go on")
            keys(page, "!")
        assert desk.sessions.about(desk.local, "Anna") == RaterFacts("Pharmacist", "", 9)

        expect(page.get_by_role("heading", name=re.compile("· case 1 of 2"))).to_be_focused()
        go_to(page, "Skip this case")
        keys(page, "!")
        go_to(page, "Why? It comes back once")
        page.keyboard.type("my own patient")
        go_to(page, "Skip it")
        keys(page, "!")
        expect(page.get_by_role("heading", name=re.compile("· case 2 of 2"))).to_be_focused()
        keys(page, "45")
        go_to(page, "Leave; go on later", back=True)
        keys(page, "!")
        expect(page.get_by_role("heading", name="Your studies")).to_be_focused()
        go_to(page, "Begin: Nephrology pilot")
        keys(page, "!")
        expect(page.get_by_role("heading", name=re.compile("· case 2 of 2"))).to_be_focused()
        depth = page.get_by_role("radiogroup", name="Left: reasoning depth")
        expect(depth.get_by_role("radio").nth(3)).to_be_checked()
        keys(page, "41" + "2301" + "2" + "!")
        expect(page.get_by_role("heading", name=re.compile("· case 1 of 2"))).to_be_focused()
        keys(page, "4541" + "2301" + "2" + "!")
        expect(page.get_by_role("heading", name="Nephrology pilot: done")).to_be_focused()
        page.context.close()
    judged = desk.store.judgements.of([one.id for one in desk.store.showings.of_study(1)])
    assert len(judged) == 4
    skips = desk.store.notes.skipped([one.id for one in desk.store.showings.of_study(1)])
    assert list(skips.values()) == [1]


def test_a_case_by_touch_with_a_mark(browser: Browser, tmp_path: Path) -> None:
    desk = with_study(tmp_path / "b.db", title="Nephrology pilot", count=1)
    while (view := desk.sessions.next(desk.local, "Anna", NAME)) is not None and view.practice:
        rate(desk, view, "Anna")
    with served(SimpleNamespace(rating=desk.rating, sessions=desk.sessions), desk.local) as site:
        page = browser.new_context(
            viewport={"width": 820, "height": 1100}, has_touch=True, is_mobile=True
        ).new_page()
        page.goto(site.url)
        page.get_by_role("button", name="Begin: Nephrology pilot").tap()
        expect(page.get_by_role("heading", name=re.compile("· case 1 of 1"))).to_be_visible()

        # The handles of a touch selection move the page's selection and send no event of a mouse.
        answer = page.locator('.mk-text[aria-label="Left: answer"]')
        answer.tap()
        answer.evaluate(
            """(node) => { const t = document.createTreeWalker(node, NodeFilter.SHOW_TEXT).nextNode();
               getSelection().setBaseAndExtent(t, 0, t, 6); }"""
        )
        panel = page.get_by_role("region", name="Mark these words")
        expect(panel).to_contain_text("“Answer”")
        for name in ("Invented fact", "Would need correction", "My own knowledge"):
            point = panel.locator("label").filter(has=page.get_by_role("radio", name=name, exact=True))
            height = point.bounding_box()
            assert height and height["height"] >= 40, f"“{name}” is too low for a finger"
            point.tap()
        panel.get_by_role("button", name="Add the mark").tap()
        expect(page.get_by_role("list", name="Left: marks").get_by_role("listitem")).to_have_count(1)
        for question in page.get_by_role("radiogroup").all():
            if question.is_visible() and "required" in question.inner_text():
                question.locator("label").nth(1).tap()
                expect(question.get_by_role("radio").nth(1)).to_be_checked()
        page.get_by_role("checkbox", name="I looked for invented content").nth(1).tap()
        page.get_by_role("button", name="Save and go on").tap()
        expect(page.get_by_role("heading", name="Nephrology pilot: done")).to_be_visible()
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways <= 1
        page.context.close()
    assert view is not None
    (stored,) = desk.store.judgements.of([view.showing_id])
    assert [span.quote for span in stored.judgement.spans] == ["Answer"]
    desk.close()
