"""Versions of earlier questions in a real browser: read by keyboard, unchanged by it, there when reopened."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from medreason.domain.arms import Arm
from medreason.engine.scripted import Script
from medreason.ui.answer_view import KEPT_HERE
from medreason.ui.compare_versions import FOLD
from tests.browser.steps import begin_conversation, send, set_longest, wait_until_done
from tests.browser.test_compare import again, opened
from tests.scripted_app import serving

TRACE = "One dermatome on the left, so shingles.\n\nNo stiff neck, which speaks against meningitis. " * 3
SCRIPTS = {
    Arm.BASELINE: Script("", "It may be **shingles**. Fever would worry me. Give an antiviral within three days."),
    Arm.FINETUNED: Script(TRACE.strip(), "It is **shingles** of the fifth thoracic dermatome."),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("versions") / "data", SCRIPTS, words_a_second=150) as url:
        yield url


def ask_twice_over_and_on(page: Page, question: str, *, blind: bool = False) -> None:
    """Version 1 is cut off at seven tokens, two and three are whole; then a further question is asked."""
    begin_conversation(page, question, blind=blind, longest=7)
    wait_until_done(page)
    set_longest(page, 500)
    for number in (2, 3):
        again(page)
        expect(page.get_by_text(f"Version {number} of {number}", exact=True)).to_be_visible()
        wait_until_done(page)
    ask_on(page, "And its treatment?", 2)


def ask_on(page: Page, question: str, turn: int) -> None:
    send(page, question)
    expect(last_asked(page)).to_contain_text(f"Question {turn}")
    expect(page.get_by_text("are answering", exact=False)).to_have_count(0)
    wait_until_done(page)


def last_asked(page: Page) -> Locator:
    return page.locator(".mr-asked").last


def unfold_by_keyboard(page: Page, others: int = 2) -> None:
    fold = page.get_by_role("button", name=f"{FOLD} ({others})")
    expect(fold).to_be_visible()
    expect(fold).to_have_attribute("aria-expanded", "false")
    fold.focus()
    page.keyboard.press("Enter")
    # The list is drawn a few hundredths of a second later; a program's Tab would be quicker than that.
    expect(page.get_by_label("Version to read")).to_be_visible()
    expect(fold).to_have_attribute("aria-expanded", "true")


def choose_by_keyboard(page: Page, downs: int) -> None:
    box = page.get_by_label("Version to read")
    box.focus()
    expect(page.get_by_role("option").first).to_be_visible()
    for _ in range(downs):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def reading(page: Page) -> Locator:
    return page.locator(".mr-versions")


def test_a_version_of_an_earlier_question_is_read_and_changes_nothing(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        ask_twice_over_and_on(page, "What is this rash?")
        unfold_by_keyboard(page)
        page.keyboard.press("Tab")
        expect(page.get_by_label("Version to read")).to_be_focused()
        choose_by_keyboard(page, 1)
        expect(reading(page).locator(".mr-asked")).to_contain_text("Question 1, version 1 of 3")
        expect(reading(page).get_by_role("status")).to_have_text(
            "An older version, to read only: your later questions were built on version 3."
        )
        expect(reading(page)).to_contain_text("cut off at 7 tokens, inside its thinking")
        thinking = reading(page).locator("summary").filter(has_text="Thinking, not finished")
        thinking.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name="Thinking on the right, earlier version")).to_be_visible()
        expect(reading(page).get_by_role("button", name=re.compile("Rate|Continue|Regenerate"))).to_have_count(0)

        ask_on(page, "And how long does it last?", 3)
        still = reading(page).locator(".mr-asked")
        expect(still).to_contain_text("Question 1, version 1 of 3")
        page.locator("#side-1").get_by_role("button", name="Earlier questions (2)").click()
        earlier = page.locator("#side-1 .mr-chat")
        expect(earlier).to_contain_text("Version 3 of 3.")
        expect(earlier).to_contain_text("Give an antiviral within three days.")  # the version that was kept

        page.reload()
        expect(last_asked(page)).to_contain_text("And how long does it last?")
        unfold_by_keyboard(page)
        choose_by_keyboard(page, 1)
        expect(reading(page)).to_contain_text("cut off at 7 tokens")

        begin_conversation(page, "Another conversation?", longest=500)
        wait_until_done(page)
        expect(page.get_by_role("button", name=re.compile(FOLD))).to_have_count(0)
        page.get_by_role("button", name="Earlier conversations, and files of this one").click()
        page.get_by_label(re.compile("^Open an earlier conversation")).click()
        page.get_by_role("option", name=re.compile("What is this rash")).first.click()
        expect(last_asked(page)).to_contain_text("And how long does it last?")
        unfold_by_keyboard(page)
        expect(reading(page).locator(".mr-asked")).to_have_count(0)  # nothing is read until it is chosen
        choose_by_keyboard(page, 3)
        expect(reading(page).get_by_role("status")).to_contain_text("the version that was kept")


def test_a_blind_version_names_sides_only(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        ask_twice_over_and_on(page, "Which nerve is it?", blind=True)
        unfold_by_keyboard(page)
        choose_by_keyboard(page, 2)
        expect(reading(page).locator(".mr-asked")).to_contain_text("Question 1, version 2 of 3")
        expect(reading(page).locator(".mr-arm b")).to_have_text(["Left", "Right"])
        expect(reading(page).locator("summary")).to_have_text("Thought")
        words = reading(page).inner_text().lower()
        assert not any(told in words for told in ("baseline", "fine-tuned", "adapter", "tokens", "a second")), (
            words
        )


def clear_of_arrow(box: Locator) -> bool:
    """Whether the room for words in a list's box ends before its arrow."""
    return bool(
        box.evaluate(
            """(input) => {
              const arrow = input.parentElement.querySelector(".dropdown-arrow").getBoundingClientRect();
              const room = input.getBoundingClientRect().right - parseFloat(getComputedStyle(input).paddingRight);
              return room <= arrow.left;
            }"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820])
def test_versions_can_be_read_by_everybody(
    browser: Browser, address: str, scheme: str, width: int, tmp_path: Path
) -> None:
    with opened(browser, address, width, scheme) as page:
        ask_twice_over_and_on(
            page, "A 61-year-old with a painful rash on the left chest for two days. What is it?"
        )
        unfold_by_keyboard(page)
        choose_by_keyboard(page, 2)
        expect(reading(page).locator(".mr-asked")).to_contain_text("version 2 of 3")
        for fold in ("What answered on the left", "Thought for"):
            reading(page).locator("summary").filter(has_text=fold).click()
        expect(reading(page).get_by_role("region", name="Thinking on the right, earlier version")).to_be_visible()
        assert clear_of_arrow(page.get_by_label("Version to read")), "the chosen version runs into the arrow"
        parts = [reading(page).locator(part).first for part in (".mr-words p", ".mr-answer p")]
        thinking, answer = (part.evaluate("part => getComputedStyle(part).color") for part in parts)
        assert thinking != answer, "thinking is set apart by its tone"
        page.wait_for_timeout(700)  # transitions have to end before colours are read
        page.screenshot(path=tmp_path / f"versions-{width}-{scheme}.png", full_page=True)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 1
        switch = page.get_by_role("group", name="Sides of this version shown on a narrow screen")
        expect(switch).to_be_visible() if width == 820 else expect(switch).to_be_hidden()
        if width == 820:
            sides = reading(page).locator("#version-pair > *")
            switch.get_by_role("button", name="Right").click()
            expect(sides.first).to_be_hidden()
            expect(sides.last).to_be_visible()
            expect(page.locator("#side-1")).to_be_visible()
            switch.get_by_role("button", name="Both sides").click()
            expect(sides.first).to_be_visible()
        serious = [
            (one["id"], [node["html"][:160] for node in one["nodes"][:3]])
            for one in Axe().run(page).response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_an_open_fence_leaves_the_line_of_the_version_readable(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        begin_conversation(page, "Read these:\n```\nK 6.1", longest=500)
        wait_until_done(page)
        again(page)
        wait_until_done(page)
        ask_on(page, "And its treatment?", 2)
        page.locator("#side-1").get_by_role("button", name="Earlier questions (1)").click()
        asked = page.locator("#side-1 .mr-chat .user.message")
        expect(asked.locator("em")).to_have_text(KEPT_HERE.format(2, 2))
        expect(asked.locator("pre")).to_contain_text("K 6.1")
        expect(asked.locator("pre")).not_to_contain_text("Version")
