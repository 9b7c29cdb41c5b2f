"""Every control of Compare in a real browser, on a scripted engine: each test says what the models are to say."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from medreason.domain.arms import Arm
from medreason.engine.scripted import Script
from tests.browser.steps import SAMPLING, begin_conversation, said, send, set_longest, wait_until_done
from tests.scripted_app import serving

TRACE = "One dermatome on the left, so shingles.\n\nNo stiff neck, which speaks against meningitis. " * 4
SCRIPTS = {
    Arm.BASELINE: Script(
        "", "It may be **shingles**. BP <90 mmHg would worry me. <b>Not bold.</b> Give an antiviral."
    ),
    Arm.FINETUNED: Script(TRACE.strip(), "It is **shingles** of the fifth thoracic dermatome."),
}
HOSTILE = (
    "<script>window.__ran=1</script><img src=x onerror='window.__ran=1'> [c](javascript:window.__ran=1) "
    "<div style='position:fixed;inset:0;z-index:9999'>over</div> ![b](http://elsewhere.example/b.png) "
    "<form></form> end"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("compare") / "data", SCRIPTS, words_a_second=40) as url:
        yield url


@contextmanager
def opened(browser: Browser, address: str, width: int = 1440, scheme: str = "light") -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(address)
    expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=90_000)
    expect(page.get_by_label("Fine-tuned model")).to_have_value(re.compile(r"\S"), timeout=90_000)
    yield page
    context.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as made:
        yield made


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def again(page: Page, name: str = "Regenerate") -> None:
    """Press what asks again, and see that it has begun."""
    button(page, name).click()
    expect(page.get_by_text("Both models are answering", exact=False)).to_be_visible()


def thought(page: Page, side: int = 2) -> Locator:
    return page.locator(f"#thought-{side} button")


def test_thinking_opens_folds_with_its_time_and_stays_as_the_reader_sets_it(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=500)
    expect(thought(page)).to_have_text(re.compile(r"^Thinking… \d+ s$"))
    expect(thought(page)).to_have_attribute("aria-expanded", "true")
    wait_until_done(page)
    expect(thought(page)).to_have_text(re.compile(r"^Thought for (\d+ s|under a second) · \d+ tokens$"))
    expect(thought(page)).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#thought-2 .mr-words")).to_be_hidden()
    thought(page).focus()
    page.keyboard.press("Space")
    expect(thought(page)).to_have_attribute("aria-expanded", "true")
    assert page.locator("#thought-2 .mr-words p").all_inner_texts() == TRACE.strip().split("\n\n")
    again(page)
    wait_until_done(page)
    expect(thought(page)).to_have_attribute("aria-expanded", "true")  # opened by hand, so it stays
    thought(page).press("Enter")
    expect(thought(page)).to_have_attribute("aria-expanded", "false")
    again(page)
    expect(thought(page)).to_have_text(re.compile("^Thinking…"))
    expect(thought(page)).to_have_attribute("aria-expanded", "false")  # closed by hand, so it stays
    wait_until_done(page)


def test_an_answer_is_markdown_and_no_tag_in_it_is_html(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=500)
    wait_until_done(page)
    answer = page.locator("#side-1 .prose.mr-answer")
    expect(answer.locator("strong")).to_have_text("shingles")
    expect(answer).to_contain_text("BP <90 mmHg would worry me. <b>Not bold.</b>")
    expect(answer.locator("b")).to_have_count(0)


def test_a_cut_off_side_says_where_and_continue_goes_on_from_there(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=20)
    wait_until_done(page)
    expect(page.locator("#side-2")).to_contain_text("cut off at 20 tokens, inside its thinking")
    expect(thought(page)).to_have_text("Thinking, not finished")
    before = said(page, 1), said(page, 2)
    set_longest(page, 500)
    again(page, "Continue")
    wait_until_done(page)
    expect(page.get_by_text("Version 2 of 2, continued")).to_be_visible()
    expect(thought(page)).to_have_text(re.compile("^Thought for"))
    thought(page).press("Enter")  # a pointer may miss it, while the end of the answers moves the page
    expect(thought(page)).to_have_attribute("aria-expanded", "true")
    assert said(page, 2).startswith(before[1]) and len(said(page, 2)) > len(before[1])
    expect(page.locator("#side-2 .mr-chip")).to_have_text(["continued"])
    assert said(page, 1) == before[0], "the left side had come to its own end"
    expect(button(page, "Continue")).to_be_disabled()
    button(page, "Previous version").click()
    expect(page.get_by_text("Version 1 of 2")).to_be_visible()
    expect(page.locator("#side-2")).to_contain_text("inside its thinking")
    expect(button(page, "Previous version")).to_be_disabled()
    button(page, "Next version").click()
    expect(page.get_by_text("Version 2 of 2, continued")).to_be_visible()


def test_stop_says_stopped_by_you_and_the_pair_cannot_be_rated_until_it_went_on(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=500)
    expect(thought(page)).to_have_text(re.compile("^Thinking…"))
    button(page, "Stop").click()
    expect(page.get_by_text("stopped by you").first).to_be_visible()
    expect(page.get_by_text("cannot be rated yet", exact=False)).to_be_visible()
    expect(button(page, "Rate this pair")).to_be_disabled()
    again(page, "Continue")
    wait_until_done(page)
    expect(button(page, "Rate this pair")).to_be_enabled()


def test_regenerate_draws_a_new_seed_and_keeps_the_older_version(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=30)
    wait_until_done(page)
    seed = page.get_by_label("Seed for both")
    before = seed.input_value()
    button(page, "Regenerate").click()
    expect(page.get_by_text("Version 2 of 2")).to_be_visible()
    wait_until_done(page)
    assert seed.input_value() != before
    drawn = seed.input_value()
    button(page, "New seed").click()
    expect(seed).not_to_have_value(drawn)


def test_the_last_question_can_be_edited_or_left_as_it_was(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=30)
    wait_until_done(page)
    box = page.locator("#question textarea")
    button(page, "Edit the question").click()
    expect(box).to_have_value("What is this rash?")
    button(page, "Leave it as it was").click()
    expect(box).to_have_value("")
    expect(button(page, "Send")).to_be_visible()
    button(page, "Edit the question").click()
    expect(box).to_have_value("What is this rash?")
    box.fill("What is this rash, and how long will it last?")
    again(page, "Send the change")
    expect(page.locator(".mr-asked")).to_contain_text("how long will it last?")
    wait_until_done(page)
    expect(page.get_by_text("Version 2 of 2")).to_be_visible()
    button(page, "Previous version").click()
    expect(page.locator(".mr-asked p")).to_have_text("What is this rash?")


def test_the_thinking_switch_takes_its_own_sampling_and_leaves_what_was_changed(page: Page) -> None:
    page.get_by_role("button", name=SAMPLING).click()
    page.wait_for_timeout(500)  # a panel is unfolded and read before anything in it is changed
    page.get_by_label("Top-k").fill("50")
    page.get_by_label("Top-k").blur()
    page.wait_for_timeout(300)  # nobody is at the next field at once
    page.get_by_label("Ask for thinking").uncheck()
    expect(page.get_by_label("Temperature")).to_have_value("0.7")
    expect(page.get_by_label("Top-p")).to_have_value("0.8")
    expect(page.get_by_label("Top-k")).to_have_value("50")
    page.get_by_label("Ask for thinking").check()
    expect(page.get_by_label("Temperature")).to_have_value("0.6")
    expect(page.get_by_label("Min-p")).to_have_value("0")


def test_a_case_is_chosen_by_its_specialty(page: Page) -> None:
    page.get_by_label("Specialty").click()
    page.get_by_role("option", name=re.compile("^Nephrology")).click()
    page.get_by_label("Case", exact=True).click()
    options = page.get_by_role("option")
    expect(options.first).to_have_text(re.compile("My own case"))
    options.nth(1).click()
    expect(page.locator("#question textarea")).to_have_value(re.compile(r"\w{3}.*\?"))
    page.get_by_label("Case", exact=True).click()
    page.get_by_role("option", name="My own case").click()
    expect(page.locator("#question textarea")).to_have_value("")


def test_what_answered_is_told_when_not_blind_and_hidden_when_blind(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=500)
    wait_until_done(page)
    page.get_by_role("button", name="What answered on the right").click()
    table = page.get_by_role("table", name="What answered on the right")
    for row in ("Model", "Revision", "Precision", "Adapter", "Chat template", "Time to first token", "Speed"):
        expect(table.get_by_role("row", name=re.compile(f"^{row} "))).to_be_visible()
    expect(table).to_contain_text("scripted-adapter")
    begin_conversation(page, "And this one?", blind=True, longest=500)
    expect(page.get_by_text("so that speed tells nothing", exact=False)).to_be_visible()
    assert said(page, 1) == said(page, 2) == "", "nothing is shown before both are there"
    wait_until_done(page)
    expect(page.locator(".mr-arm b")).to_have_text(["Left", "Right"])
    expect(page.get_by_text("Hidden until your rating of this pair is in", exact=False).first).to_be_visible()
    expect(page.locator(".mr-under")).not_to_contain_text([re.compile("tokens"), re.compile("tokens")])
    expect(page.locator(".mr-thought:not([hidden]) button")).to_have_text("Thought")


def test_conversations_are_listed_opened_and_saved(page: Page) -> None:
    begin_conversation(page, "The first of two conversations?", longest=500)
    wait_until_done(page)
    begin_conversation(page, "The second of two conversations?", blind=True, longest=500)
    wait_until_done(page)
    page.get_by_role("button", name="Earlier conversations, and files of this one").click()
    box = page.get_by_label(re.compile("^Open an earlier conversation"))
    expect(box).to_have_value(re.compile(r"UTC · blind, not rated yet · The second"))
    box.click()
    page.get_by_role("option", name=re.compile("The first of two")).first.click()
    expect(page.locator(".mr-asked p")).to_have_text("The first of two conversations?")
    expect(page.locator(".mr-arm b")).to_have_text(["Baseline", "Fine-tuned"])
    button(page, "Save this conversation as a file").click()
    link = page.get_by_role("link", name="Save as JSON")
    content = json.loads(base64.b64decode((link.get_attribute("href") or "").partition("base64,")[2]))
    assert content["turns"][0]["question"] == "The first of two conversations?"
    assert content["turns"][0]["right"]["provenance"]["model"]["adapter"] == "scripted-adapter"
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save as Markdown").click()
    assert saved.value.suggested_filename.endswith(".md")
    assert "The first of two" in saved.value.path().read_text(encoding="utf-8")


def test_a_further_question_folds_the_earlier_ones_away(page: Page) -> None:
    begin_conversation(page, "What is this rash?", longest=500)
    wait_until_done(page)
    send(page, "And its treatment?")
    expect(page.locator(".mr-asked")).to_contain_text("Question 2")
    wait_until_done(page)
    page.get_by_role("button", name="Earlier questions (1)").first.click()
    expect(page.locator("#side-1 .mr-chat")).to_contain_text("What is this rash?")
    expect(button(page, "Previous version")).to_be_hidden()


def test_a_fault_on_one_side_leaves_the_other_and_hostile_words_stay_words(
    browser: Browser, tmp_path: Path
) -> None:
    scripts = {
        Arm.BASELINE: Script("", "Half an", fault="The GPU ran out of memory. Press Continue."),
        Arm.FINETUNED: Script(f"{HOSTILE} </think> {HOSTILE}", HOSTILE),
    }
    with serving(tmp_path / "data", scripts, 200) as url, opened(browser, url) as page:
        asked_for: list[str] = []
        page.on("request", lambda request: asked_for.append(request.url))
        begin_conversation(page, HOSTILE, longest=500)
        expect(page.locator("#side-1 .mr-fault")).to_have_text("The GPU ran out of memory. Press Continue.")
        expect(page.locator("#side-1 .prose.mr-answer")).to_contain_text("Half an")
        expect(page.locator("#side-2 .prose.mr-answer")).to_contain_text("end")
        thought(page).click()
        expect(page.locator("#thought-2 .mr-words")).to_contain_text("</think>")
        assert page.evaluate("window.__ran") is None
        expect(button(page, "Continue")).to_be_enabled()
        button(page, "Regenerate").click(trial=True)  # nothing lies over the page
        assert [one for one in asked_for if not one.startswith((url, "data:", "blob:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820])
def test_every_part_can_be_read_and_used_by_everybody(
    browser: Browser, address: str, scheme: str, width: int
) -> None:
    with opened(browser, address, width, scheme) as page:
        found: list[str] = []

        def look(state: str) -> None:
            page.wait_for_timeout(700)  # transitions have to end before colours are read
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if over > 1:
                found.append(f"{state}: scrolls sideways by {over} px")
            for one in Axe().run(page).response["violations"]:
                if one["impact"] in ("serious", "critical"):
                    where = [node["html"][:120] for node in one["nodes"][:3]]
                    found.append(f"{state}: {one['id']} ({one['impact']}) {where}")

        begin_conversation(page, "What is this rash?", longest=60)
        expect(thought(page)).to_have_text(re.compile("^Thinking…"))
        expect(button(page, "Send")).to_be_disabled()
        look("thinking")
        wait_until_done(page)
        for fold in ("What answered on the left", "Earlier conversations, and files of this one"):
            page.get_by_role("button", name=fold).click()
        look("done")
        if width == 820:
            switch = page.get_by_role("group", name="Sides shown on a narrow screen")
            switch.get_by_role("button", name="Right").click()
            expect(page.locator("#side-1")).to_be_hidden()
            expect(page.locator("#side-2")).to_be_visible()
            switch.get_by_role("button", name="Both sides").click()
            expect(page.locator("#side-1")).to_be_visible()
        button(page, "Edit the question").click()
        look("editing")
        button(page, "Leave it as it was").click()
        begin_conversation(page, "And this one?", blind=True, longest=30)
        wait_until_done(page)
        look("blind")
        assert found == []
