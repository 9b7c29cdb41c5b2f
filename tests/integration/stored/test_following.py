"""A running answer is followed on a clock, and ends soon after nobody looks any more."""

import asyncio
from contextlib import aclosing
from types import SimpleNamespace

import pytest

from medreason.domain.arms import Arm
from medreason.domain.events import AnswerText
from medreason.services.live_pair import LivePair
from medreason.ui.following import Reader, follow, pause_s
from tests.store import Store


@pytest.fixture
def live(tmp_path):
    store = Store(tmp_path / "a.db")
    yield LivePair(store.pair(answered=False, blinded=False))
    store.close()


class Page:
    """As much of a page as tells how many frames wait to be read."""

    def __init__(self) -> None:
        self.frames = 0
        waiting = SimpleNamespace(qsize=lambda: self.frames)
        self._queue = SimpleNamespace(pending_messages_per_session={"s": waiting})


def test_a_page_that_never_reads_is_gone_within_two_seconds():
    now, page = 0.0, Page()
    reader = Reader(page, "s", clock=lambda: now)  # type: ignore[arg-type]
    while not reader.gone(0.1):
        now += 0.1
        page.frames += 1
        assert now <= 2.0


def test_a_page_that_reads_is_there_however_long_it_takes_and_may_hang_for_a_while():
    now, page = 0.0, Page()
    reader = Reader(page, "s", clock=lambda: now)  # type: ignore[arg-type]
    for _ in range(600):
        now += 0.1
        page.frames = 1
        assert not reader.gone(0.1)
    page.frames = 50
    for _ in range(90):
        now += 0.1
        assert not reader.gone(0.1)
    for _ in range(30):
        now += 0.1
        reader.gone(0.1)
    assert reader.gone(0.1)


def test_frames_that_a_busy_server_sends_late_are_not_the_readers_doing():
    now, page = 0.0, Page()
    reader = Reader(page, "s", clock=lambda: now)  # type: ignore[arg-type]
    page.frames = 6
    for _ in range(5):
        now += 0.5  # a pause of 0.1 s that took five times as long
        assert not reader.gone(0.1)


def test_closing_the_stream_stops_the_answer_at_once(live):
    stopped = []

    async def close_after_one() -> None:
        reader = Reader(Page(), "s")  # type: ignore[arg-type]
        async with aclosing(follow(live, reader, lambda: stopped.append(1))) as views:
            async for _ in views:
                break

    asyncio.run(close_after_one())
    assert stopped == [1]


def test_long_texts_are_redrawn_less_often(live):
    pauses = []
    for length in (0, 5_000, 20_000):
        live.take(AnswerText(Arm.BASELINE, "x" * length))
        pauses.append(pause_s(live.view()))
    assert pauses == [0.1, 0.25, 0.4]


def test_many_streams_share_the_redraws_of_one_process(live):
    assert [pause_s(live.view(), running) for running in (1, 6, 12, 100)] == [0.1, 0.1, 0.2, 0.4]
    live.take(AnswerText(Arm.BASELINE, "x" * 5_000))
    assert pause_s(live.view(), 12) == 0.25
