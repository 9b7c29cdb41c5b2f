"""A login that ends takes the answers with it that its page is reading; what was said is kept."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from medreason.domain.answers import Finish
from medreason.domain.arms import Arm
from medreason.domain.user import Role
from medreason.engine.scripted import Script, ScriptedEngine
from medreason.storage.conversations import ConversationList
from medreason.storage.pairs import Pairs
from tests.logins import PASSWORD
from tests.shell import Shell, event, served

WITHIN_S = 2.0
PEOPLE = {"ann": Role.ADMIN, "eve": Role.ENGINEER, "lea": Role.LEAD, "max": Role.ADMIN, "tom": Role.ADMIN}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, str]]:
    engine = ScriptedEngine(0.01)
    for arm in Arm:
        engine.plays(arm, Script("", "word " * 20_000))
    with served(tmp_path_factory.mktemp("ends"), PEOPLE, engine) as made:
        yield made


@contextmanager
def logged_in(address: str, name: str) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two windows of one browser."""
    how: dict[str, Any] = {"base_url": address, "timeout": 30, "headers": {"origin": address}}
    with httpx.Client(**how) as one, httpx.Client(**how) as other:
        assert one.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
        other.cookies.update(one.cookies)
        yield one, other


def ask(browser: httpx.Client, session: str) -> None:
    config = browser.get("/config").json()
    values = {one["id"]: one["props"].get("value") for one in config["components"]}
    send = event(config, "answer")
    data = [values[number] for number in send["inputs"]]
    data[:2] = "A question?", ""
    body = {"data": data, "fn_index": send["id"], "session_hash": session, "event_data": None}
    assert browser.post("/gradio_api/queue/join", json=body).status_code == 200


ENDINGS: dict[str, Callable[[Shell, httpx.Client], Any]] = {
    "ann": lambda site, browser: browser.post("/logout"),
    "eve": lambda site, browser: site.desk.people.end_logins("eve"),
    "lea": lambda site, browser: site.desk.people.set_disabled("lea", True),
    "max": lambda site, browser: site.desk.people.set_role("max", Role.RATER),
    "tom": lambda site, browser: site.desk.clock.goes_on(hours=13),  # the last, as it ends everybody's
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_running_answer_ends_with_its_login(site: tuple[Shell, str], name: str) -> None:
    shell, address = site
    user, frames, ended_at = shell.user(name), 0, 0.0
    with logged_in(address, name) as (browser, same):
        ask(browser, f"page-{name}")
        asked: dict[str, Any] = {"url": "/gradio_api/queue/data", "params": {"session_hash": f"page-{name}"}}
        with browser.stream("GET", **asked) as answer:
            for line in answer.iter_lines():
                frames += "process_generating" in line
                if frames == 5:
                    ENDINGS[name](shell, same)
                    ended_at, frames = time.monotonic(), 6
        assert frames > 5 and time.monotonic() - ended_at < WITHIN_S, "the stream ended"
        (line,) = ConversationList(shell.desk.logins.database).of_user(user.id)
        pairs = Pairs(shell.desk.logins.database)
        (pair,) = pairs.in_conversation(line.conversation_id)
        answering = shell.services.comparing.answering
        while answering.find(pair.id) is not None and time.monotonic() - ended_at < WITHIN_S:
            time.sleep(0.01)
        assert answering.find(pair.id) is None, "the models say no more"
        kept = pairs.get(pair.id).answers[Arm.BASELINE].answer
        assert kept.finish is Finish.CANCELLED and kept.text.startswith("word word")
        assert browser.get(**asked).status_code in (401, 403)


def test_an_answer_of_a_login_that_lasts_goes_on(site: tuple[Shell, str]) -> None:
    """The login is looked at again and again while an answer streams, which disturbs nothing."""
    shell, address = site
    shell.desk.adds("bea", Role.LEAD)
    began, frames, asked = time.monotonic(), 0, {"session_hash": "page-bea"}
    with logged_in(address, "bea") as (browser, _):
        ask(browser, "page-bea")
        with browser.stream("GET", "/gradio_api/queue/data", params=asked) as answer:
            for line in answer.iter_lines():
                frames += "process_generating" in line
                if time.monotonic() - began > 2.5:
                    break
    assert frames > 10
