"""What the page has shown is there after the app was killed or stopped at that very moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from medreason.domain.answers import Finish
from medreason.domain.arms import Arm
from medreason.folder import DataFolder
from medreason.storage.database import Database
from medreason.storage.pairs import Pairs
from tests.browser.steps import (
    ALL_SCORES,
    begin_conversation,
    open_tab,
    score,
    wait_until_done,
    watch_growing,
)
from tests.server import Server, share_models


@contextmanager
def running(data: Path, embedded_model: Path, browser: Browser) -> Iterator[tuple[Server, Page]]:
    """The app on `data` with a page that is ready to ask; both are gone afterwards."""
    share_models(data, embedded_model.parent)
    server = Server(data, "--base-model", "embedded").start()
    page = browser.new_page()
    try:
        page.goto(server.url)
        expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=90_000)
        yield server, page
    finally:
        server.kill()
        page.close()


def test_a_rating_survives_a_kill_right_after_saved(
    browser: Browser, embedded_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with running(data, embedded_model, browser) as (server, page):
        begin_conversation(page, "An old man falls often. Why?", blind=True, longest=16)
        wait_until_done(page)
        page.get_by_role("button", name="Rate this pair").click()
        page.get_by_label("Who is rating?").fill("Bob")
        page.get_by_label("Who is rating?").press("Tab")
        score(page, ALL_SCORES, "About the same")
        page.get_by_role("button", name="Save rating").click()
        expect(page.get_by_text("Saved", exact=False).first).to_be_visible()
        server.kill()
        page.close()

        again = Server(data, "--base-model", "embedded", port=server.port).start()
        try:
            page = browser.new_page()
            page.goto(again.url)
            open_tab(page, "Results")
            expect(page.get_by_role("table").first).to_contain_text("Reasoning depth")
            expect(page.get_by_role("row", name="Reasoning depth")).to_contain_text("2")
            page.close()
        finally:
            again.kill()


def test_a_stopped_app_ends_soon_and_keeps_the_half_said_answer(
    browser: Browser, embedded_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with running(data, embedded_model, browser) as (server, page):
        begin_conversation(page, "Explain the kidney in great detail.", longest=500)
        watch_growing(page, times=3)
        assert server.terminate(within_s=10) == 0, server.printed()
    (pair,) = Pairs(Database.open(DataFolder(data).database)).by_id([1]).values()
    kept = pair.answers[Arm.BASELINE].answer
    assert kept.finish is Finish.CANCELLED
    assert len(kept.text) > 10
