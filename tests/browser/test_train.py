"""Train in a real browser: prepare data, start from the form, watch, reload, stop, resume, compare the results.

Runs are a few steps of the embedded model. The form keeps what was filled in last, so each test says all that it
needs."""

import base64
import contextlib
import csv
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from medreason.domain.training import TrainingConfig
from medreason.finetune.config_file import read_config
from tests.browser.steps import begin_conversation, open_tab, wait_until_done
from tests.server import Server

RUN_WITHIN_MS = 200_000
SHORT = {
    "Rows to use": "8",
    "Passes over the data": "1",
    "Log every so many steps": "1",
    "Evaluate and save every so many steps": "3",
}


def open_part(page: Page, name: str) -> None:
    part = page.locator("#train").get_by_role("tab", name=name, exact=True)
    part.click()
    expect(part).to_have_attribute("aria-selected", "true")


def fresh_form(page: Page, values: dict[str, str]) -> None:
    """The demo settings with some changed, whatever was in the form before."""
    open_tab(page, "Train")
    open_part(page, "Settings and start")
    expect(page.get_by_text("estimate", exact=True).or_(page.locator(".mr-fault")).first).to_be_visible()
    choose(page, "Starting point", "CPU demo")
    page.get_by_role("button", name="Undo my changes").click()
    expect(page.get_by_text("The settings of CPU demo are in the form again.")).to_be_visible()
    expect(page.get_by_text("Changed:")).to_have_count(0)
    expect(field_of(page, "Training data")).to_have_value("curriculum")
    expect(field_of(page, "Rows to use")).to_have_value(str(TrainingConfig().max_rows))
    advanced = page.get_by_role("button", name="Advanced")
    if not page.get_by_label("Log every so many steps").is_visible():
        advanced.click()
    fill(page, values)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def fill(page: Page, values: dict[str, str]) -> None:
    for label, value in values.items():
        field = field_of(page, label)
        field.fill(value)
        field.blur()


def field_of(page: Page, label: str) -> Locator:
    """Gradio reads a field's help into its label."""
    return page.get_by_label(label).filter(visible=True).first


def forget(app: Server, *names: str) -> None:
    """What a first try of a test has left of its runs, so that a second one can make them again."""
    for run in (app.data / "runs" / name for name in names):
        if (run / "process.json").exists():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(json.loads((run / "process.json").read_text())["pid"], signal.SIGKILL)
        shutil.rmtree(run, ignore_errors=True)


def start(page: Page, name: str, **more: str) -> None:
    fresh_form(page, {"Run name": name, **SHORT, **{key.replace("_", " "): value for key, value in more.items()}})
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".mr-run")).to_contain_text(name)


def state(page: Page, words: str, timeout: int = RUN_WITHIN_MS) -> None:
    expect(page.locator(".mr-run .mr-chip")).to_have_text(re.compile(words), timeout=timeout)


@pytest.fixture
def clinic_csv(tmp_path: Path) -> Path:
    """Twelve rows with column names of their own, the last one without thinking."""
    path = tmp_path / "clinic.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "reasoning", "final answer"])
        for number in range(11):
            years = 30 + number
            thought = f"A cough of {number + 2} weeks with night sweats makes tuberculosis likely at {years}. " * 3
            writer.writerow([f"A {years}-year-old coughs, patient {number}. Next?", thought, f"Sputum {number}."])
        writer.writerow(["What is missing here?", "", "The thinking."])
    return path


def test_wrong_settings_are_refused_together_and_nothing_starts(page: Page) -> None:
    fresh_form(page, {"Run name": "../x", "Learning rate": "-1"})
    page.get_by_role("button", name="Start training").click()
    told = page.locator(".mr-fault").last
    expect(told).to_contain_text("Run name is '../x'")
    expect(told).to_contain_text("Learning rate is -1")
    expect(field_of(page, "Run name")).to_have_value("../x")


def test_a_missing_data_file_is_named(page: Page) -> None:
    fresh_form(page, {"Training data": "/no/such/file.jsonl"})
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".mr-fault").last).to_contain_text("/no/such/file.jsonl")


def test_an_error_blocks_the_start_and_a_warning_has_its_own_button(page: Page) -> None:
    fresh_form(page, {})
    choose(page, "Text format", "article")
    expect(page.get_by_text("Warning.")).to_be_visible()
    expect(page.get_by_role("button", name="Start anyway")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("Read the warnings first", exact=False)).to_be_visible()
    fresh_form(page, {"Adapted layers": "no_such_layer"})
    expect(page.get_by_text("Cannot start.")).to_be_visible()
    expect(page.get_by_role("button", name="Start anyway")).to_be_hidden()
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("The run cannot start until")).to_be_visible()


def test_settings_are_saved_to_a_file_and_loaded_from_it(page: Page, tmp_path: Path) -> None:
    fresh_form(page, {"Run name": "kept-settings", "LoRA rank": "4"})
    page.get_by_role("button", name="Command and settings file").click()
    link = page.get_by_role("link", name="Save the settings as kept-settings.yaml")
    expect(link).to_be_visible()
    content = (link.get_attribute("href") or "").partition("base64,")[2]
    file = tmp_path / "kept-settings.yaml"
    file.write_bytes(base64.b64decode(content))
    assert read_config(file).lora_rank == 4
    fresh_form(page, {"LoRA rank": "8"})
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Load settings").click()
    chooser.value.set_files(file)
    expect(page.get_by_text("The settings of kept-settings.yaml are in the form.")).to_be_visible()
    expect(field_of(page, "LoRA rank")).to_have_value("4")


def test_data_are_looked_at_prepared_and_put_into_the_form(page: Page, clinic_csv: Path) -> None:
    fresh_form(page, {})
    open_part(page, "Data")
    choose(page, "Source", "A file")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Or upload a file").click()
    chooser.value.set_files(clinic_csv)
    expect(page.get_by_text("Uploaded: clinic.csv")).to_be_visible()
    page.get_by_role("button", name="Look at the data").click()
    expect(page.get_by_text("12 rows read from clinic.csv, 1 of them faulty.")).to_be_visible()
    expect(page.get_by_text("Row 13, column reasoning is empty")).to_be_visible()
    fill(page, {"Shortest thinking in characters": "50", "Held-out share": "0.1"})
    page.get_by_label("Name of the prepared data").fill("clinic")
    page.get_by_role("button", name="Prepare data").click()
    expect(page.get_by_text("Or leave faulty rows out", exact=False)).to_be_visible()
    page.get_by_label("Yes, use the good rows").check()
    page.get_by_role("button", name="Prepare data").click()
    expect(page.get_by_text("clinic is prepared:")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("img", name=re.compile("^Whole row, as the model meets it: median"))).to_be_visible()
    page.get_by_role("button", name="Show this row").click()
    expect(page.get_by_text("Learned: the loss is on this")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Only read: no loss on this")).to_be_visible()
    page.reload()
    open_tab(page, "Train")
    open_part(page, "Data")
    expect(page.get_by_role("button", name="Train on these data")).to_be_visible()
    open_part(page, "Settings and start")
    expect(field_of(page, "Training data")).to_have_value("clinic")
    assert str(clinic_csv.parent) not in page.content()


def test_watch_reload_stop_and_save_resume_and_compare(page: Page, app: Server) -> None:
    forget(app, "short-one")
    start(page, "short-one")
    state(page, "Training|Evaluating")
    expect(page.get_by_role("img", name=re.compile("^Loss by step. Training loss"))).to_be_visible(
        timeout=RUN_WITHIN_MS
    )
    page.reload()
    open_tab(page, "Train")
    expect(page.locator(".mr-run")).to_contain_text("short-one")
    expect(page.locator(".mr-live")).to_contain_text("short-one")
    expect(page.get_by_text("Stop and save ends it after this step", exact=False)).to_be_visible()
    page.get_by_role("button", name="Stop and save").click()
    state(page, "Stopped")
    expect(page.get_by_text("Resume goes on from the newest whole checkpoint", exact=False)).to_be_visible()
    expect(page.get_by_role("button", name="Compare it with the baseline")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    state(page, "Completed")
    expect(page.get_by_text("Adapter ready. Compare it with the baseline.")).to_be_visible()
    page.get_by_role("button", name="Compare it with the baseline").click()
    expect(page.get_by_text(re.compile("^Comparing with Run short-one"))).to_be_visible(timeout=60_000)
    begin_conversation(page, "Why does chest pain spread to the arm?", longest=16)
    wait_until_done(page)
    expect(page.locator(".mr-arm.finetuned")).to_contain_text("Run short-one")


def test_a_second_run_waits_both_are_stopped_and_two_are_compared(page: Page, app: Server) -> None:
    forget(app, "stopped-one", "waiting-one")
    start(page, "stopped-one", Rows_to_use="60", Learning_rate="0.001")
    state(page, "Loading|Training|Evaluating")
    start(page, "waiting-one")
    expect(page.get_by_text("Waiting: run stopped-one comes first.")).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "Stopped")
    choose(page, "Run shown", "stopped-one")
    state(page, "Loading|Training|Evaluating")
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "Stopped")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    row = page.get_by_role("region", name="All runs").get_by_role("row", name=re.compile("^stopped-one"))
    expect(row).to_contain_text("Stopped")
    for name in ("stopped-one", "waiting-one"):
        choose(page, "Runs to compare", name)
    page.keyboard.press("Escape")
    table = page.get_by_role("region", name="Runs compared")
    expect(table.get_by_role("row", name=re.compile("^Learning rate"))).to_contain_text("0.001")
    expect(table.get_by_role("row", name=re.compile("^LoRA rank"))).to_have_count(0)
    page.get_by_label("Differences only").uncheck()
    expect(table.get_by_role("row", name=re.compile("^LoRA rank"))).to_be_visible()


def test_a_run_is_renamed_and_deleted_after_a_yes(page: Page) -> None:
    open_tab(page, "Train")
    open_part(page, "Runs")
    choose(page, "Run shown", "waiting-one")
    expect(page.locator(".mr-run")).to_contain_text("waiting-one")
    page.get_by_role("button", name="Rename or delete the run").click()
    page.get_by_label("New name").fill("Nephrology pilot")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.locator(".mr-run")).to_contain_text("Nephrology pilot")
    page.get_by_role("button", name="Delete…").filter(visible=True).click()
    expect(page.get_by_text("It cannot be brought back", exact=False)).to_be_visible()
    page.get_by_role("button", name="Yes, delete it").click()
    expect(page.get_by_text("Nephrology pilot")).to_have_count(0)


@pytest.fixture(params=[(1440, "light"), (820, "dark")], ids=["wide-light", "tablet-dark"])
def looked_at(browser: Browser, app: Server, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    page = context.new_page()
    page.goto(app.url)
    expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=90_000)
    yield page
    context.close()


def test_every_part_can_be_read_and_used_by_everybody(looked_at: Page) -> None:
    page, found = looked_at, []
    open_tab(page, "Train")
    expect(page.get_by_text("What the run will need")).to_be_visible()
    for part in ("Data", "Settings and start", "Runs"):
        open_part(page, part)
        if part == "Data":
            page.get_by_role("button", name="Look at the data").click()
            expect(page.get_by_role("region", name="Rows")).to_be_visible()
        if part == "Settings and start":
            page.get_by_role("button", name="Advanced").click()
            for fold in ("Command and settings file", "A row as it will be trained", "Quantize the base, merge"):
                page.get_by_role("button", name=fold).click()
            expect(page.get_by_role("button", name="Quantize the base now")).to_be_visible()
        page.wait_for_timeout(700)  # transitions have to end before colours are read
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 1:
            found.append(f"{part}: scrolls sideways by {overflow} px")
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                where = [node["html"][:120] for node in one["nodes"][:3]]
                found.append(f"{part}: {one['id']} ({one['impact']}) {where}")
    assert found == []
