"""A rating session in a real browser: by keyboard alone, by mouse, resumed elsewhere, offline and back."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from medreason.domain.items import Instrument
from medreason.storage.judgements import StoredJudgement
from tests.rate_page import RatePage, served
from tests.studies import StudyDesk, plan, rate, with_study

# Gradio's own bookkeeping, in the thread that serves the page.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
ESSENTIAL_KEYS, FULL_KEYS = 10, 22


class Bench:
    """A study that is being rated, its page, and what is stored."""

    def __init__(self, desk: StudyDesk, page: RatePage):
        self.desk, self.page = desk, page

    def kept(self) -> list[StoredJudgement]:
        showings = [one.id for one in self.desk.store.showings.of_study(1) if one.kind != "practice"]
        return list(self.desk.store.judgements.of(showings))

    def stored(self) -> int:
        return len(self.kept())


def practise(desk: StudyDesk, name: str) -> None:
    """Put the practice cases behind somebody."""
    while (view := desk.sessions.next(desk.local, name, "pilot")) is not None and view.practice:
        rate(desk, view, name)


def bench(path: Path, practised: bool = True, **given: object) -> Iterator[Bench]:
    desk = with_study(path / "a.db", title="Nephrology pilot", **given)
    for name in ("Anna", "Ben") if practised else ():
        practise(desk, name)
    with served(SimpleNamespace(rating=desk.rating, sessions=desk.sessions), desk.local) as page:
        yield Bench(desk, page)
    desk.close()


@pytest.fixture
def essential(tmp_path: Path) -> Iterator[Bench]:
    yield from bench(tmp_path, count=3)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Bench]:
    yield from bench(tmp_path, count=2, instrument=Instrument.FULL)


def arrive(browser: Browser, bench: Bench, rater: str = "Anna", clock: bool = False, **context: object) -> Page:
    """At the desk, with the name given; `clock`: time can be moved on."""
    page = browser.new_context(viewport={"width": 1440, "height": 1000}, **context).new_page()  # type: ignore[arg-type]
    if clock:
        page.clock.install()
    page.goto(bench.page.url)
    expect(page.get_by_role("heading", name="Your studies")).to_be_visible()
    name = page.get_by_label("Who is rating?")
    name.fill(rater)
    name.press("Enter")
    expect(page.get_by_role("heading", name="Nephrology pilot")).to_be_visible()
    return page


def begin(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^(Begin|Go on): Nephrology")).click()
    expect(page.get_by_role("heading", name=re.compile("case 1 of"))).to_be_focused()


def press(page: Page, keys: str) -> int:
    """Presses each key; "!" stands for Enter. Returns how many there were."""
    for key in keys:
        page.keyboard.press("Enter" if key == "!" else key)
    return len(keys)


def sent(page: Page) -> dict:
    return json.loads(page.locator("#rate-draft textarea").input_value())["form"]


def at_case(page: Page, number: int) -> None:
    expect(page.get_by_role("heading", name=re.compile(rf"case {number} of"))).to_be_focused()


def test_one_case_of_essential_takes_ten_keys_and_the_next_opens_by_itself(
    browser: Browser, essential: Bench
) -> None:
    page = arrive(browser, essential)
    begin(page)
    keys = press(page, "4541" + "2301" + "2")
    expect(page.get_by_role("button", name="Save and go on")).to_be_focused()
    keys += press(page, "!")
    at_case(page, 2)
    assert keys <= ESSENTIAL_KEYS and essential.stored() == 1
    (stored,) = [one for one in essential.desk.store.judgements.of(range(1, 99)) if one.showing_id > 0][-1:]
    values = {(str(one.side), one.item): one.value for one in stored.judgement.given}
    assert values["left", "D"] == 4 and values["right", "H"] is None and stored.judgement.preference() == -2
    page.context.close()


def test_one_case_of_full_takes_at_most_twenty_two_keys(browser: Browser, full: Bench) -> None:
    page = arrive(browser, full)
    begin(page)
    assert "Therefore" not in page.content()
    keys = press(page, "44113" + "32221" + "!")
    expect(page.locator('.mk-text[aria-label="Left: thinking"]')).to_be_visible()
    at_case(page, 1)
    keys += press(page, "421" + "311" + "5" + "4" + "0" + "!")
    at_case(page, 2)
    assert keys <= FULL_KEYS and full.stored() == 2
    page.context.close()


def test_the_whole_study_by_mouse(browser: Browser, tmp_path: Path) -> None:
    for made in bench(tmp_path, practised=False, count=1):
        page = arrive(browser, made)
        page.get_by_role("button", name="Begin: Nephrology pilot").click()
        for step in range(3):
            expect(page.get_by_role("button", name="Save and go on")).to_be_visible()
            box = page.get_by_role("radiogroup", name="Left: factual correctness").bounding_box()
            for question in page.get_by_role("radiogroup").all():
                if question.is_visible() and "optional" not in question.inner_text():
                    question.get_by_role("radio").nth(1).click()
            after = page.get_by_role("radiogroup", name="Left: factual correctness").bounding_box()
            assert box and after and box["width"] == after["width"] and box["height"] == after["height"]
            for tick in page.get_by_role("checkbox", name="I looked for invented content").all():
                tick.click()
            page.get_by_role("button", name="Save and go on").click()
            if step < 2:
                expect(page.get_by_role("heading", name="how this practice case is rated")).to_be_focused()
                page.get_by_role("button", name="Go on", exact=True).click()
        expect(page.get_by_role("heading", name="Nephrology pilot: done")).to_be_focused()
        assert made.stored() == 1
        page.context.close()


def test_left_in_the_middle_it_goes_on_in_another_browser(browser: Browser, essential: Bench) -> None:
    first = arrive(browser, essential)
    begin(first)
    press(first, "45")
    first.get_by_label("Comment").fill("half a thought")
    expect(first.locator("#rate-draft textarea")).to_have_value(re.compile("half a thought"))
    first.wait_for_timeout(1500)  # the draft rests 0.3 s before it is kept
    first.context.close()

    second = arrive(browser, essential)
    begin(second)
    expect(second.get_by_label("Comment")).to_have_value("half a thought")
    depth = second.get_by_role("radiogroup", name="Left: reasoning depth")
    expect(depth.get_by_role("radio").nth(3)).to_be_checked()
    press(second, "41" + "2301" + "2" + "!")
    at_case(second, 2)
    second.context.close()


def test_nothing_lacking_is_saved_and_the_first_gap_gets_the_focus(browser: Browser, essential: Bench) -> None:
    page = arrive(browser, essential)
    begin(page)
    press(page, "4")
    page.get_by_role("button", name="Save and go on").click()
    expect(page.locator(".rate-notice")).to_contain_text("Left: factual correctness; Left: hallucination control")
    focused = page.evaluate("document.activeElement.closest('fieldset').getAttribute('aria-label')")
    assert focused == "Left: factual correctness" and essential.stored() == 0
    page.context.close()


def test_offline_it_stays_in_the_form_says_so_and_is_saved_once(browser: Browser, essential: Bench) -> None:
    page = arrive(browser, essential)
    begin(page)
    press(page, "4541" + "2301" + "2")
    page.context.set_offline(True)
    press(page, "!")
    expect(page.locator(".rate-notice")).to_contain_text("Not saved yet: the program does not answer")
    expect(
        page.get_by_role("radiogroup", name="Left: reasoning depth").get_by_role("radio").nth(3)
    ).to_be_checked()
    assert essential.stored() == 0
    page.context.set_offline(False)
    at_case(page, 2)
    assert essential.stored() == 1
    page.context.close()


def test_a_program_that_comes_back_gets_the_rating_once(browser: Browser, essential: Bench) -> None:
    page = arrive(browser, essential)
    begin(page)
    press(page, "4541" + "2301" + "2")
    essential.page.stop()
    press(page, "!")
    expect(page.locator(".rate-notice")).to_contain_text("Not saved yet")
    essential.page.start()
    at_case(page, 2)
    assert essential.stored() == 1
    page.context.close()


def test_a_reload_goes_on_in_the_same_case_and_leaves_nothing_in_the_browser(
    browser: Browser, essential: Bench
) -> None:
    page = arrive(browser, essential)
    begin(page)
    press(page, "45")
    page.get_by_label("Comment").fill("half a thought")
    page.reload()
    expect(page.get_by_label("Comment")).to_have_value("half a thought")
    expect(page.get_by_label("Who is rating?")).to_have_value("Anna")
    kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert "half a thought" not in kept and "Anna" not in kept
    page.get_by_role("heading", level=2).first.focus()
    press(page, "41" + "2301" + "2" + "!")
    at_case(page, 2)
    page.context.close()


def test_pressing_save_many_times_is_one_rating(browser: Browser, essential: Bench) -> None:
    page = arrive(browser, essential)
    begin(page)
    press(page, "4541" + "2301" + "2" + "!!!!")
    at_case(page, 2)
    assert essential.stored() == 1
    page.context.close()


def test_time_is_counted_only_while_somebody_is_at_work(browser: Browser, essential: Bench) -> None:
    page = arrive(browser, essential, clock=True)
    begin(page)
    page.mouse.move(200, 200)
    page.clock.run_for(5_000)
    press(page, "4")
    busy = sent(page)["active_ms"]
    assert 4_500 <= busy <= 15_000
    page.clock.run_for(180_000)
    press(page, "4")
    assert 50_000 <= sent(page)["active_ms"] - busy <= 61_000
    page.context.close()


def test_a_finished_case_can_be_changed_with_a_reason(browser: Browser, essential: Bench) -> None:
    page = arrive(browser, essential)
    begin(page)
    press(page, "4541" + "2301" + "2" + "!")
    at_case(page, 2)
    page.get_by_role("button", name="Leave; go on later").click()
    page.get_by_role("button", name="What you have rated (1)").click()
    page.get_by_role("button", name="Open case 1").click()
    expect(
        page.get_by_role("radiogroup", name="Left: reasoning depth").get_by_role("radio").nth(3)
    ).to_be_checked()
    page.get_by_role("radiogroup", name="Left: reasoning depth").get_by_role("radio").nth(0).check()
    page.get_by_role("button", name="Save the change").click()
    expect(page.locator(".rate-notice")).to_contain_text("why you change it")
    page.get_by_label("Why do you change it?").fill("misread the dose")
    page.get_by_role("button", name="Save the change").click()
    expect(page.get_by_text("Saved as revision 2")).to_be_visible()
    assert essential.stored() == 2
    page.context.close()


def test_a_likely_identifier_is_warned_of_and_can_be_overridden(browser: Browser, essential: Bench) -> None:
    page = arrive(browser, essential)
    begin(page)
    press(page, "4541" + "2301" + "2")
    page.get_by_label("Comment").fill("Mrs Miller, MRN 1234567")
    page.get_by_role("button", name="Save and go on").click()
    expect(page.locator("#rate-reply")).to_contain_text("Take out what identifies a patient")
    assert essential.stored() == 0
    page.get_by_role("button", name="It identifies nobody").click()
    at_case(page, 2)
    assert essential.stored() == 1
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (820, "dark")])
def test_every_screen_can_be_read_and_used_by_everybody(
    browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    desk = StudyDesk(tmp_path / "a.db")
    desk.open_study(plan(title="Nephrology pilot", count=1, instrument=Instrument.FULL, own_answer=True))
    found: list[str] = []

    def look(page: Page, where: str) -> None:
        page.wait_for_timeout(300)
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if sideways > 1:
            found.append(f"{where}: scrolls sideways by {sideways} px")
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                found.append(f"{where}: {one['id']} {[node['html'][:90] for node in one['nodes'][:2]]}")

    with served(SimpleNamespace(rating=desk.rating, sessions=desk.sessions), desk.local) as served_page:
        made = Bench(desk, served_page)
        page = arrive(browser, made, color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 1000})
        look(page, "desk")
        page.get_by_role("button", name="Begin: Nephrology pilot").click()
        expect(page.get_by_role("button", name="I have read this")).to_be_visible()
        look(page, "consent")
        page.get_by_role("button", name="I have read this").click()
        for step in range(3):
            if step == 2:
                expect(page.get_by_label("Your own answer")).to_be_visible()
                look(page, "own answer")
                page.get_by_role("button", name="Show both answers").click()
            at_case(page, step + 1 if step < 2 else 1)
            look(page, "answers")
            press(page, "44113" + "32221" + "!")
            expect(page.locator('.mk-text[aria-label="Left: thinking"]')).to_be_visible()
            page.get_by_role("button", name="Note something missing on the left").click()
            look(page, "thinking and the panel of marks")
            page.keyboard.press("Escape")
            for fold in page.locator("details.rate-more > summary").all():
                fold.click()
            look(page, "all folds open")
            for fold in page.locator("details.rate-more > summary").all():
                fold.click()
            page.get_by_role("heading", level=2).focus()
            press(page, "421" + "311" + "5" + "4" + "0" + "!")
            if step < 2:
                expect(page.get_by_role("heading", name="how this practice case is rated")).to_be_focused()
                look(page, "feedback")
                page.get_by_role("button", name="Go on", exact=True).click()
        expect(page.get_by_role("heading", name="done")).to_be_focused()
        look(page, "end")
        page.get_by_role("button", name="What you have rated").click()
        expect(page.get_by_role("heading", name="what you have rated")).to_be_focused()
        look(page, "finished")
        page.context.close()
    desk.close()
    assert found == []
