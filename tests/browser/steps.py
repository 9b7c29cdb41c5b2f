"""What a person does on the page, as functions: found by role and label, waited for, never slept for."""

import re
import time

from playwright.sync_api import Page, expect

ANSWER_WITHIN_MS = 120_000
SAMPLING = "Sampling and system prompt, the same for both models"
ALL_SCORES = {
    "left: reasoning depth": "2",
    "left: factual correctness": "3",
    "left: hallucination control": "4",
    "right: reasoning depth": "5",
    "right: factual correctness": "4",
    "right: hallucination control": "na",
}


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def begin_conversation(page: Page, question: str, *, blind: bool = False, longest: int = 40) -> None:
    """A new conversation with a question of one's own, short answers, sent with Enter."""
    fresh = page.get_by_role("button", name="New conversation")
    if fresh.is_enabled():
        fresh.click()
        expect(fresh).to_be_disabled()
    set_longest(page, longest)
    page.get_by_label("Blind").set_checked(blind)
    send(page, question)


def set_longest(page: Page, tokens: int) -> None:
    field = page.get_by_label("Longest answer in tokens")
    if not field.is_visible():
        page.get_by_role("button", name=SAMPLING).click()
    field.fill(str(tokens))
    field.blur()


def send(page: Page, question: str) -> None:
    box = page.locator("#question textarea")
    box.fill(question)
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    box.press("Enter")


def said(page: Page, side: int) -> str:
    """What one column shows of thinking and answer to the last question."""
    return " ".join(
        page.locator(f"#thought-{side} .mr-words, #side-{side} .prose.mr-answer").all_inner_texts()
    ).strip()


def watch_growing(page: Page, sides: tuple[int, ...] = (1, 2), times: int = 3) -> None:
    """Fails unless each column is seen to grow `times` times while both models answer."""
    deadline = time.monotonic() + ANSWER_WITHIN_MS / 1000
    longest, grown = dict.fromkeys(sides, 0), dict.fromkeys(sides, 0)
    while min(grown.values()) < times:
        assert time.monotonic() < deadline, f"the columns grew {grown} times"
        for side in sides:
            length = len(said(page, side))
            if length > longest[side]:
                longest[side], grown[side] = length, grown[side] + 1
        page.wait_for_timeout(50)


def wait_until_done(page: Page) -> None:
    expect(page.get_by_text(re.compile("^Done. Press Rate this pair"))).to_be_visible(timeout=ANSWER_WITHIN_MS)


def score(page: Page, values: dict[str, str], preference: str) -> None:
    """`values`: label of a question to the value of the wanted point. Ticks on both sides that one looked."""
    for label, value in values.items():
        question = page.get_by_role("radiogroup", name=re.compile(label, re.I))
        question.locator(f'input[value="{value}"]').check()
    for tick in page.get_by_role("checkbox", name="I looked for invented content and found none").all():
        tick.check()
    page.get_by_role("radio", name=preference, exact=True).check()
