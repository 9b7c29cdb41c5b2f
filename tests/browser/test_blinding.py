"""Nothing that the browser gets while items are rated blind tells the arms apart."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.canaries import rate_blind


@pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
def test_ten_blinded_items_bring_no_canary_to_the_browser(browser: Browser, tmp_path: Path) -> None:
    assert rate_blind(browser, tmp_path, 10) == (10, [])
