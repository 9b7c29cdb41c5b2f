"""Marking passages in a real browser: offsets are exact in every script, by mouse and by keyboard."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS
from medreason.domain.span import text_sha256
from tests.rate_page import served
from tests.store import proof
from tests.studies import StudyDesk

# Gradio's own bookkeeping, in the thread that serves the page.
pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
THINKING = (
    "First 🩺 the vesicles 👩‍⚕️ follow a dermatome.\n\nThen <b>pain</b> & fever: 37.5 °C.\nLast: שלום עולם, مرحبا."
)
ANSWER = "**Zoster**, dose 1 g. é is one letter."


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = StudyDesk(tmp_path_factory.mktemp("marks") / "a.db")
    pair = store.pair(answered=False)
    for arm in ARMS:
        said = Answer(THINKING, ANSWER, Finish.STOP, "", True, True)
        store.pairs.save_answers(pair.id, {arm: (said, proof(arm))})
    with served(SimpleNamespace(rating=store.rating, sessions=store.sessions), store.admin) as page:
        yield page.url
    store.close()


@pytest.fixture
def sheet(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """An empty sheet: each test is a rater of its own, since drafts are kept."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda fault: problems.append(str(fault)))
    page.goto(address)
    expect(page.get_by_role("button", name="Rate:")).to_be_visible()
    page.get_by_label("Who is rating?").fill(f"Rater {abs(hash(request.node.name))}")
    page.get_by_role("button", name="Rate:").click()
    expect(page.get_by_role("heading", name="Rate this pair")).to_be_focused()
    yield page
    assert problems == []
    context.close()


def text(page: Page, name: str = "Left: thinking") -> Locator:
    return page.locator(f'.mk-text[aria-label="{name}"]')


def drag(page: Page, name: str, start: int, end: int) -> None:
    """Select code points `start` to `end` of a passage as a hand with a mouse does."""
    spots = text(page, name).evaluate(
        """(node, [start, end]) => {
          const spot = (point, after) => {
            for (const p of [...node.children].reverse()) {
              const from = Number(p.dataset.start);
              if (from > point) continue;
              let unit = Array.from(p.textContent).slice(0, point - from).join("").length;
              const walker = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
              for (let t = walker.nextNode(); t; t = walker.nextNode()) {
                if (unit < t.data.length) {
                  const range = document.createRange();
                  range.setStart(t, unit);
                  range.setEnd(t, unit + Array.from(t.data.slice(unit))[0].length);
                  const box = range.getBoundingClientRect();
                  return [after ? box.right - 0.5 : box.left + 0.5, box.top + box.height / 2];
                }
                unit -= t.data.length;
              }
            }
          };
          return [spot(start, false), spot(end - 1, true)];
        }""",
        [start, end],
    )
    page.mouse.move(*spots[0])
    page.mouse.down()
    page.mouse.move(*spots[1], steps=6)
    page.mouse.up()


def keep(page: Page, kind: str = "Invented fact", severity: str = "Would need correction") -> None:
    desk = page.get_by_role("region", name="Mark these words")
    expect(desk).to_be_visible()
    desk.get_by_role("radio", name=kind, exact=True).check()
    desk.get_by_role("radio", name=severity).check()
    desk.get_by_role("radio", name="My own knowledge").check()
    desk.get_by_role("button", name="Add the mark").click()
    expect(desk).to_be_hidden()


def marks(page: Page) -> list[dict[str, Any]]:
    """What the program would get now."""
    sent = page.locator("#rate-draft textarea").input_value()
    return json.loads(sent)["form"]["marks"] if sent else []


def part(whole: str, piece: str) -> tuple[int, int]:
    start = whole.index(piece)
    return start, start + len(piece)


@pytest.mark.parametrize(
    ("name", "whole", "piece"),
    [
        ("Left: thinking", THINKING, "🩺 the vesicles 👩‍⚕️ follow a dermatome.\n\nThen <b>pain</b> & fever"),
        ("Right: thinking", THINKING, "37.5 °C.\nLast"),
        ("Right: answer", ANSWER, "**Zoster**, dose 1 g"),
        ("Left: answer", ANSWER, "é is one letter"),
    ],
)
def test_a_selection_by_mouse_is_exact_in_code_points(sheet: Page, name: str, whole: str, piece: str) -> None:
    start, end = part(whole, piece)
    drag(sheet, name, start, end)
    keep(sheet)
    (mark,) = marks(sheet)
    assert (mark["start"], mark["end"], mark["quote"]) == (start, end, piece)
    assert whole[mark["start"] : mark["end"]] == piece and mark["sha256"] == text_sha256(whole)
    side, target = name.lower().split(": ")
    assert (mark["side"], mark["target"]) == (side, "trace" if target == "thinking" else "answer")
    drawn = text(sheet, name).locator("mark").all_text_contents()
    assert "".join(drawn) == piece.replace("\n", "")


def test_what_is_drawn_is_the_text_and_nothing_else(sheet: Page) -> None:
    paragraphs = text(sheet).locator("p")
    assert paragraphs.all_text_contents() == [line for line in THINKING.split("\n") if line]
    starts = paragraphs.evaluate_all("all => all.map((p) => Number(p.dataset.start))")
    for start, line in zip(starts, paragraphs.all_text_contents(), strict=True):
        assert THINKING[start : start + len(line)] == line


def test_a_letter_made_of_several_code_points_is_never_cut(sheet: Page) -> None:
    start, _ = part(THINKING, "👩‍⚕️")
    text(sheet).evaluate(
        """(node, unit) => { const t = node.querySelector("p").firstChild;
           getSelection().setBaseAndExtent(t, unit, t, unit + 2); }""",
        len(THINKING[:start].encode("utf-16-le")) // 2,
    )
    keep(sheet)
    assert marks(sheet)[0]["quote"] == "👩‍⚕️"


def test_right_to_left_words_are_marked_exactly(sheet: Page) -> None:
    start, end = part(THINKING, "שלום")
    text(sheet).evaluate(
        """(node, [start, end]) => { const t = node.querySelectorAll("p")[2].firstChild;
           const from = Number(t.parentNode.dataset.start);
           getSelection().setBaseAndExtent(t, start - from, t, end - from); }""",
        [start, end],
    )
    keep(sheet)
    assert (marks(sheet)[0]["start"], marks(sheet)[0]["end"]) == (start, end)


def test_by_keyboard_alone_a_mark_is_made_changed_and_removed(sheet: Page) -> None:
    press = sheet.keyboard.press
    text(sheet).focus()
    press("m")
    press("Control+Home")
    for _ in range(7):
        press("Shift+ArrowRight")
    for letter in "xyz":
        press(letter)
    press("Backspace")
    press("Enter")
    assert text(sheet).locator("p").all_text_contents()[0].startswith("First 🩺 the"), "the caret changes no text"
    press("m")
    desk = sheet.get_by_role("region", name="Mark these words")
    expect(desk).to_contain_text("“First 🩺”")
    for key in ("1", "3", "1", "Enter"):
        press(key)
    expect(desk).to_be_hidden()
    expect(text(sheet)).to_be_focused()
    (mark,) = marks(sheet)
    assert (mark["start"], mark["end"], mark["quote"], mark["severity"]) == (0, 7, "First 🩺", 3)

    sheet.get_by_role("button", name="Edit mark 1 on the left").focus()
    press("Enter")
    for key in ("6", "4", "2"):
        press(key)
    expect(desk.get_by_role("button", name="Change the mark")).to_be_focused()
    press("Enter")
    (mark,) = marks(sheet)
    assert (mark["type"], mark["severity"], mark["basis"]) == ("wrong_number_or_dose", 4, "looked up")
    expect(sheet.get_by_role("button", name="Edit mark 1 on the left")).to_be_focused()

    sheet.get_by_role("button", name="Remove mark 1 on the left").focus()
    press("Enter")
    assert marks(sheet) == []
    assert sheet.evaluate("document.activeElement !== document.body")
    expect(text(sheet).locator("mark")).to_have_count(0)


def test_overlapping_marks_are_kept_apart(sheet: Page) -> None:
    for piece in ("the vesicles 👩‍⚕️ follow", "follow a dermatome.\n\nThen"):
        drag(sheet, "Left: thinking", *part(THINKING, piece))
        keep(sheet)
    assert [THINKING[one["start"] : one["end"]] for one in marks(sheet)] == [
        "the vesicles 👩‍⚕️ follow",
        "follow a dermatome.\n\nThen",
    ]
    expect(text(sheet).locator("mark.mk-twice")).to_have_text("follow")
    expect(sheet.get_by_role("list", name="Left: marks").get_by_role("listitem")).to_have_count(2)
    sheet.get_by_role("button", name="Remove mark 1 on the left").click()
    expect(sheet.get_by_role("button", name="Remove mark 1 on the left")).to_be_focused()
    assert [one["quote"] for one in marks(sheet)] == ["follow a dermatome.\n\nThen"]


def test_an_omission_marks_no_words(sheet: Page) -> None:
    sheet.get_by_role("button", name="Note something missing on the right").click()
    desk = sheet.get_by_role("region", name="Mark these words")
    expect(desk.get_by_role("radiogroup", name="What is wrong with them?")).to_be_hidden()
    desk.get_by_role("radio", name="Could cause serious harm").check()
    desk.get_by_role("radio", name="My own knowledge").check()
    desk.get_by_label("what is missing").fill("Renal dosing")
    desk.get_by_role("button", name="Add the mark").click()
    (mark,) = marks(sheet)
    assert (mark["type"], mark["start"], mark["end"], mark["quote"]) == ("omission", 0, 0, "")
    assert mark["side"] == "right" and mark["note"] == "Renal dosing"


def test_escape_gives_up_a_mark_and_the_focus_goes_back(sheet: Page) -> None:
    drag(sheet, "Left: answer", *part(ANSWER, "dose"))
    desk = sheet.get_by_role("region", name="Mark these words")
    expect(desk).to_be_visible()
    desk.get_by_role("radio", name="Invented fact", exact=True).check()
    sheet.keyboard.press("Escape")
    expect(desk).to_be_hidden()
    expect(text(sheet, "Left: answer")).to_be_focused()
    assert marks(sheet) == []


def test_a_mark_lacking_its_severity_is_not_added(sheet: Page) -> None:
    drag(sheet, "Left: answer", *part(ANSWER, "dose"))
    desk = sheet.get_by_role("region", name="Mark these words")
    desk.get_by_role("radio", name="Wrong number or dose").check()
    desk.get_by_role("button", name="Add the mark").click()
    expect(desk).to_contain_text("Still to say: how much does it matter?")
    assert marks(sheet) == []
