"""A hundred blinded items through the real page, searched for what tells the arms."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.canaries import rate_blind
from tests.chromium import find_chromium

ITEMS = 100


@pytest.fixture
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium is installed and none can be")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
def test_a_hundred_blinded_items_bring_no_canary_to_the_browser(browser: Browser, tmp_path: Path) -> None:
    assert rate_blind(browser, tmp_path, ITEMS) == (ITEMS, [])
