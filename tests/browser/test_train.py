"""Train in a real browser: start from the form, watch, reload, stop, and compare what came of it."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.steps import begin_conversation, open_tab, wait_until_done

RUN_WITHIN_MS = 300_000


def fill(page: Page, values: dict[str, str]) -> None:
    for label, value in values.items():
        field = field_of(page, label)
        field.fill(value)
        field.blur()


def field_of(page: Page, label: str) -> Locator:
    """Gradio reads a field's help into its label."""
    return page.get_by_label(label).first


def state(page: Page, words: str, timeout: int = RUN_WITHIN_MS) -> None:
    expect(page.locator(".mr-run .mr-chip")).to_have_text(re.compile(words), timeout=timeout)


def test_wrong_settings_are_refused_together_and_nothing_starts(page: Page) -> None:
    open_tab(page, "Train")
    fill(page, {"Run name": "../x", "Learning rate": "-1"})
    page.get_by_role("button", name="Start training").click()
    told = page.locator(".mr-fault").last
    expect(told).to_contain_text("Run name is '../x'")
    expect(told).to_contain_text("Learning rate is -1")
    expect(field_of(page, "Run name")).to_have_value("../x")


def test_a_missing_data_file_is_named(page: Page) -> None:
    open_tab(page, "Train")
    fill(page, {"Training data": "/no/such/file.jsonl"})
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".mr-fault").last).to_contain_text("/no/such/file.jsonl")


def test_train_watch_reload_and_compare(page: Page) -> None:
    open_tab(page, "Train")
    fill(page, {"Run name": "short-one", "Rows to use": "10", "Passes over the data": "1"})
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".mr-run")).to_contain_text("short-one")
    state(page, "Training")
    expect(page.locator(".mr-run svg[role=img]")).to_be_visible(timeout=RUN_WITHIN_MS)
    page.reload()
    open_tab(page, "Train")
    expect(page.locator(".mr-run")).to_contain_text("short-one")
    state(page, "Completed")
    expect(page.get_by_text("Adapter ready. Compare it with the baseline.")).to_be_visible()
    page.get_by_role("button", name="Compare it with the baseline").click()
    expect(page.get_by_text(re.compile("^Comparing with Run short-one"))).to_be_visible(timeout=60_000)
    begin_conversation(page, "Why does chest pain spread to the arm?", longest=16)
    wait_until_done(page)
    expect(page.locator(".mr-arm.finetuned")).to_contain_text("Run short-one")


def test_stop_ends_a_run_and_says_so(page: Page) -> None:
    open_tab(page, "Train")
    fill(page, {"Run name": "stopped-one", "Rows to use": "60"})
    page.get_by_role("button", name="Start training").click()
    state(page, "Loading|Training")
    page.get_by_role("button", name="Stop training").click()
    state(page, "Stopped")
    expect(page.get_by_role("button", name="Stop training")).to_be_disabled()
    expect(page.get_by_role("row", name=re.compile("^stopped-one"))).to_contain_text("Stopped")
