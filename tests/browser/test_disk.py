"""A disk that gets full or read-only under the running app: what was typed stays in the form, nothing is said to
be saved, and it is saved once when the disk is well again (faults 23 and 24)."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_rating_session import Bench, arrive, at_case, begin, bench, press
from tests.faults.test_store_faults import filled_up, small_disk

COMMENT = "Thinks of the kidney first. " * 300


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "4m") as made:
        yield made


@pytest.fixture
def on_disk(disk: Path) -> Iterator[Bench]:
    yield from bench(disk, count=3)


def remount(bench: Bench, disk: Path, how: str) -> None:
    """A disk can be made read-only while no file on it is open for writing, so the app's open connections are
    closed first; it opens new ones when it needs them."""
    until = time.monotonic() + 20
    while True:
        bench.desk.database.close()
        done = subprocess.run(["mount", "-o", f"remount,{how}", disk], capture_output=True, text=True)
        if done.returncode == 0:
            return
        assert time.monotonic() < until, done.stderr
        time.sleep(0.05)


def fill_in(page: Page) -> None:
    begin(page)
    press(page, "4541" + "2301" + "2")
    page.get_by_label("Comment").fill(COMMENT)


def says_not_saved(page: Page, why: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name="Save and go on").click()
    expect(page.get_by_role("alert").filter(has_text=why)).to_be_visible()
    page.wait_for_timeout(3_000)  # whatever comes late
    expect(page.get_by_text("Saved.")).to_have_count(0)
    expect(page.get_by_label("Comment")).to_have_value(COMMENT)
    depth = page.get_by_role("radiogroup", name="Left: reasoning depth").get_by_role("radio")
    expect(depth.nth(3)).to_be_checked()


def is_saved_once(page: Page, bench: Bench) -> None:
    assert bench.stored() == 0
    page.get_by_role("button", name="Save and go on").click()
    at_case(page, 2)
    (kept,) = [one for one in bench.kept() if one.judgement.comment]
    assert kept.judgement.comment == COMMENT and kept.revision_no == 1
    page.context.close()


def test_on_a_full_disk_nothing_is_said_to_be_saved_and_the_text_stays(
    browser: Browser, on_disk: Bench, disk: Path
) -> None:
    page = arrive(browser, on_disk)
    fill_in(page)
    filler = filled_up(disk)
    says_not_saved(page, "Not saved, the disk is full")
    filler.unlink()
    is_saved_once(page, on_disk)


def test_on_a_disk_that_turned_read_only_the_text_stays(browser: Browser, on_disk: Bench, disk: Path) -> None:
    page = arrive(browser, on_disk)
    fill_in(page)
    remount(on_disk, disk, "ro")
    says_not_saved(page, re.compile("read-only|unable to open database file"))
    remount(on_disk, disk, "rw")
    is_saved_once(page, on_disk)
