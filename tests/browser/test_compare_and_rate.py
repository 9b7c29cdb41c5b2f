"""The app's main path in a real browser: compare, stop, ask on, rate blind, read the table, download."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import (
    ALL_SCORES,
    SAMPLING,
    begin_conversation,
    open_tab,
    said,
    score,
    send,
    wait_until_done,
    watch_growing,
)
from tests.server import Server, running


def test_the_first_page_opens_on_compare_with_a_case_filled_in(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path / "data", "--base-model", "embedded") as app:
        page = browser.new_page()
        page.goto(app.url)
        expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("heading", level=1)).to_have_text("MedReason")
        expect(page.locator("#question textarea")).to_have_value(re.compile("crushing chest pain"))
        page.close()


def test_both_sides_stream_and_only_the_finetuned_one_thinks(page: Page) -> None:
    begin_conversation(page, "A man has crushing chest pain. What is the likely cause?", longest=60)
    watch_growing(page)
    wait_until_done(page)
    expect(page.locator("#thought-2 button")).to_have_text(re.compile(r"^Thought for .* tokens$|not finished"))
    expect(page.locator("#thought-1")).to_be_hidden()
    expect(page.locator("#side-1").get_by_text("no thinking trace")).to_be_visible()


def test_stop_keeps_what_was_said_and_a_second_turn_continues(page: Page) -> None:
    begin_conversation(page, "Explain heart failure in detail.", longest=400)
    watch_growing(page, times=2)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped by you").first).to_be_visible()
    kept = said(page, 1)
    assert len(kept) > 10
    send(page, "And its treatment?")
    expect(page.locator(".mr-asked")).to_contain_text("Question 2")
    watch_growing(page, times=2)
    page.get_by_role("button", name="Earlier questions (1)").first.click()
    expect(page.locator("#side-1 .mr-chat")).to_contain_text(kept[:10])
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_a_reload_brings_the_conversation_back(page: Page) -> None:
    begin_conversation(page, "What causes a low sodium?", longest=24)
    wait_until_done(page)
    before = said(page, 1)
    page.reload()
    expect(page.locator("#side-1 .prose.mr-answer")).to_contain_text(before[-12:])
    assert said(page, 1) == before


def test_an_empty_question_is_refused_in_words(page: Page) -> None:
    page.locator("#question textarea").fill("   ")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text(re.compile("^Question"))).to_have_count(2)
    expect(page.locator(".mr-fault")).to_contain_text("must not be empty")


@pytest.mark.parametrize("setting", ["Temperature"])
def test_a_setting_out_of_range_is_refused_and_the_question_stays(page: Page, setting: str) -> None:
    begin_conversation_setting(page, setting, "9")
    expect(page.locator(".mr-fault")).to_contain_text("Temperature is 9")
    expect(page.locator("#question textarea")).to_have_value("Stays here?")


def begin_conversation_setting(page: Page, label: str, value: str) -> None:
    page.get_by_role("button", name=SAMPLING).click()
    page.get_by_label(label).fill(value)
    page.get_by_label(label).blur()
    page.locator("#question textarea").fill("Stays here?")
    page.get_by_role("button", name="Send").click()


def test_rate_blind_then_see_the_table_and_download_it(page: Page, app: Server) -> None:
    begin_conversation(page, "A woman has a stiff neck and fever. What now?", blind=True, longest=40)
    expect(page.locator(".mr-arm b").first).to_have_text("Left")
    wait_until_done(page)
    told = page.content()
    assert "Fine-tuned +" not in told
    page.get_by_role("button", name="Rate this pair").click()
    expect(page.get_by_label("Who is rating?")).to_be_visible()
    page.get_by_label("Who is rating?").fill("Dr Ann Example")
    page.get_by_label("Who is rating?").press("Tab")
    save = page.get_by_role("button", name="Save rating")

    score(page, {"left: reasoning depth": "2"}, "Right better")
    save.click()
    expect(page.get_by_text(re.compile("Factual correctness", re.I)).first).to_be_visible()
    expect(page.get_by_text(re.compile("^Saved"))).to_have_count(0)

    score(page, ALL_SCORES, "Right better")
    page.get_by_label("Comment").fill("=cmd, “quoted” 🩺")
    save.click()
    expect(page.get_by_text(re.compile("Saved"))).to_be_visible()
    expect(page.get_by_text(re.compile("Left was (the )?(baseline|fine-tuned)", re.I))).to_be_visible()

    open_tab(page, "Results")
    table = page.get_by_role("table", name="Evaluation table")
    expect(table).to_contain_text("Reasoning depth")
    for head in ("Metric", "Baseline", "Fine-tuned", "Δ (95 % CI)", "W/T/L", "cases × raters"):
        expect(table.get_by_role("columnheader", name=head, exact=True)).to_be_visible()

    with page.expect_download() as rated:
        page.get_by_role("button", name="Ratings, CSV").click()
    rows = list(csv.DictReader(io.StringIO(rated.value.path().read_text(encoding="utf-8-sig"))))
    assert {row["arm"] for row in rows} == {"baseline", "finetuned"}
    assert all("Ann" not in json.dumps(row) for row in rows), "exports hold a pseudonym, never the name"

    with page.expect_download() as compared:
        page.get_by_role("button", name="Comparisons, CSV").click()
    pairs = list(csv.DictReader(io.StringIO(compared.value.path().read_text(encoding="utf-8-sig"))))
    assert [row["comment"] for row in pairs if "quoted" in row["comment"]] == ["'=cmd, “quoted” 🩺"]

    with page.expect_download() as markdown:
        page.get_by_role("button", name="Table, Markdown").click()
    assert "| Metric | Baseline | Fine-tuned | Δ (95 % CI) |" in markdown.value.path().read_text(encoding="utf-8")
