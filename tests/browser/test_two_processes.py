"""Two app processes on two ports over one PostgreSQL and one model server: raters on both, one truth."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import begin_conversation, open_tab, said, wait_until_done
from tests.fake_model_server import FakeModelServer
from tests.server import Server
from tests.studies import NAME, StudyDesk, rate, with_study

TITLE = "Nephrology pilot"


@pytest.fixture
def desk(postgres_url: str) -> Iterator[StudyDesk]:
    """An open study of two cases, with the practice behind both raters; the computer has its local admin alone."""
    made = with_study(postgres_url, title=TITLE, count=2)
    for name in ("Anna", "Ben"):
        while (view := made.sessions.next(made.local, name, NAME)) is not None and view.practice:
            rate(made, view, name)
    with made.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM users WHERE name_key = 'admin'")
    yield made
    made.close()


@pytest.fixture
def apps(desk: StudyDesk, postgres_url: str, models: FakeModelServer, tmp_path: Path) -> Iterator[list[Server]]:
    names = ["--api-base", models.base, "--model-baseline", "base", "--model-finetuned", "tuned"]
    started: list[Server] = []
    try:
        for site in ("one", "other"):
            folder = tmp_path / site
            folder.mkdir()
            started.append(Server(folder / "data", "--database-url", postgres_url, *names).start())
        yield started
    finally:
        for server in started:
            server.kill()


def arrive(browser: Browser, server: Server, rater: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
    page.goto(server.url)
    open_tab(page, "Rate")
    name = page.get_by_label("Who is rating?")
    expect(name).to_have_value(re.compile("Anna|Ben"))  # who rated last under this login, as the page brings back
    name.fill(rater)
    name.press("Enter")
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    return page


def begin(page: Page, case: int) -> None:
    page.get_by_role("button", name=re.compile(f"^(Begin|Go on): {TITLE}")).click()
    at_case(page, case)


def at_case(page: Page, case: int) -> None:
    expect(page.get_by_role("heading", name=re.compile(rf"case {case} of"))).to_be_focused()


def rate_with_keys(page: Page) -> None:
    for key in "4541" + "2301" + "2":
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Save and go on")).to_be_focused()
    page.keyboard.press("Enter")


def test_raters_of_two_processes_work_on_one_study(
    browser: Browser, desk: StudyDesk, apps: list[Server], models: FakeModelServer
) -> None:
    one, other = apps
    anna, ben = arrive(browser, one, "Anna"), arrive(browser, other, "Ben")
    for page in (anna, ben):
        begin(page, 1)
    for page in (anna, ben):
        rate_with_keys(page)
    for page in (anna, ben):
        at_case(page, 2)

    ben.goto(other.url)  # what was asked through one process is there in the other
    open_tab(anna, "Compare")
    begin_conversation(anna, "Fever and a stiff neck?")
    wait_until_done(anna)
    ben.reload()
    open_tab(ben, "Compare")
    expect(ben.get_by_text("Fever and a stiff neck?").first).to_be_visible()
    assert said(anna, 1) == "It is viral."
    asked = [
        body["model"] for body, _ in models.asked if body["messages"][-1]["content"] == "Fever and a stiff neck?"
    ]
    assert sorted(asked) == ["base", "tuned"]

    one.kill()  # one process dies: its rater goes on through the other, at the case she had come to
    again = arrive(browser, other, "Anna")
    begin(again, 2)
    rate_with_keys(again)
    expect(again.get_by_role("heading", name=f"{TITLE}: done")).to_be_visible()

    showings = {one.id: one for one in desk.store.showings.of_study(1) if one.kind != "practice"}
    kept = desk.store.judgements.of(list(showings))
    assert [(showings[each.showing_id].rater_id, each.revision_no) for each in kept].count((1, 1)) == 2
    assert len(kept) == 3 and {each.revision_no for each in kept} == {1}
    verdict = desk.store.audit.verify()
    assert verdict.holds and verdict.entries == len(desk.store.audit.entries())
    with desk.database.read() as connection:
        assert connection.exec_driver_sql("SELECT question FROM pairs").scalars().all() == [
            "Fever and a stiff neck?"
        ]
    for page in (anna, ben, again):
        page.context.close()
