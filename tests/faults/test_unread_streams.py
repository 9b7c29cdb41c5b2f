"""A page that is closed, or that never reads its stream, gives its place back within two seconds.

Asked over HTTP as a page asks, against the real app on a scripted engine that would go on for minutes. One user
has three places, so the fourth question is refused exactly as long as the three are taken.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from medreason.domain.arms import Arm
from medreason.engine.scripted import Script
from medreason.services.answering import RUNNING_A_USER
from tests.scripted_app import serving

ENDLESS = {arm: Script("", "word " * 20_000) for arm in Arm}
SAID = "mr-carried"


class Page:
    """Asks as the page does, without a browser."""

    def __init__(self, address: str):
        self.http = httpx.Client(base_url=address, timeout=30)
        config = self.http.get("/config").json()
        props = {one["id"]: one["props"] for one in config["components"]}
        send = next(number for number, shown in props.items() if shown.get("value") == "Send")
        self.event = next(one for one in config["dependencies"] if [send, "click"] in one["targets"])
        self.data = [props[number].get("value") for number in self.event["inputs"]]
        self.data[0], self.data[1] = "A question?", ""
        self._sessions = 0

    def ask(self) -> str:
        """Put a question; gives the session whose stream holds its answers."""
        self._sessions += 1
        session = f"s{time.monotonic_ns()}-{self._sessions}"
        call = {"data": self.data, "fn_index": self.event["id"], "session_hash": session, "event_data": None}
        self.http.post("/gradio_api/queue/join", json=call).raise_for_status()
        return session

    @contextmanager
    def stream(self, session: str) -> Iterator[Iterator[str]]:
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
            yield answer.iter_lines()

    def first_frame(self, session: str) -> str:
        """The line of the first frame that the question gave."""
        with self.stream(session) as lines:
            for line in lines:
                if line.startswith("data:") and json.loads(line[5:]).get("msg") in MESSAGES:
                    return line
        raise AssertionError("the stream ended without a frame")


MESSAGES = ("process_generating", "process_completed")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with serving(tmp_path_factory.mktemp("unread") / "data", ENDLESS, words_a_second=50) as address:
        made = Page(address)
        wait(lambda: SAID in made.first_frame(made.ask()), 30)
        yield made
        made.http.close()


def wait(holds: Any, at_most_s: float) -> float:
    """Seconds until it held."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < at_most_s
        time.sleep(0.1)
    return time.monotonic() - began


def place_free(page: Page) -> bool:
    """A refused question gives one frame that says nothing of any side."""
    return SAID in page.first_frame(page.ask())


def test_closed_pages_give_their_places_back(page: Page) -> None:
    wait(lambda: place_free(page), 10)
    time.sleep(0.5)  # the probe's own stream is closed, too
    with ExitStack() as open_pages:
        streams = [open_pages.enter_context(page.stream(page.ask())) for _ in range(RUNNING_A_USER)]
        for lines in streams:
            assert any(SAID in line for line in lines)
        assert not place_free(page)
    assert wait(lambda: place_free(page), 10) <= 2.0


def test_streams_that_nobody_ever_reads_give_their_places_back(page: Page) -> None:
    wait(lambda: place_free(page), 10)
    time.sleep(0.5)
    for _ in range(RUNNING_A_USER):
        page.ask()
    time.sleep(0.2)
    assert not place_free(page)
    assert wait(lambda: place_free(page), 10) <= 2.5
