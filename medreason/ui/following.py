"""Follows a running answer on the page's clock, and ends it when nobody looks any more.

A closed page ends the stream at its next frame. A page that asks and never reads its stream is not told of by
Gradio, so the frames that wait to be read are counted.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import gradio as gr

from medreason.domain.arms import SIDES
from medreason.services.live_pair import LivePair
from medreason.services.pair_view import PairView

# Redrawing costs more the longer the text, and a computer six times slower has to keep up: seconds between two
# redraws, up to so many characters on both sides together.
REDRAW_S = ((0.1, 4_000), (0.25, 20_000), (0.4, None))
# One process draws some hundred frames a second and saves ratings besides, so many streams share these.
FRAMES_A_SECOND = 60
NEVER_READ_S, NOT_READ_S = 2.0, 10.0
# Frames that may lie between the server and a page that reads.
ON_THE_WAY = 4
LATE = 1.2


class Reader:
    """The page of one session. `waiting` frames tell whether it reads; both are asked of Gradio's queue, whose
    pending messages have no public name (a test holds them to it)."""

    def __init__(self, page: gr.Blocks, session: str | None, clock: Callable[[], float] = time.monotonic):
        self._page = page
        self._session = session
        self._clock = clock
        self._began = self._looked_at = clock()
        self._unread_s = 0.0
        self._ever_read = False

    @property
    def waiting(self) -> int:
        queues = self._page._queue.pending_messages_per_session
        return queues[self._session].qsize() if self._session in queues else 0

    def gone(self, paused_s: float) -> bool:
        """Whether frames have been lying unread for so long that nobody can be looking. Of the time since the last
        look no more counts than the pause that was meant: a busy server sends late, which is not the reader's
        doing."""
        now = self._clock()
        late = now - self._looked_at
        self._looked_at = now
        if self.waiting <= ON_THE_WAY:
            if now - self._began > NEVER_READ_S / 2:
                self._ever_read = True
            self._unread_s = 0.0
        else:
            self._unread_s += min(late, LATE * paused_s)
        return self._unread_s > (NOT_READ_S if self._ever_read else NEVER_READ_S / 2)


async def follow(
    live: LivePair, reader: Reader, stop: Callable[[], None], running: Callable[[], int] = lambda: 1
) -> AsyncGenerator[PairView]:
    """The pair as its reader may see it, again and again until it is done; `stop` ends the answer early,
    `running` tells how many answers there are just now."""
    try:
        view = live.view()
        yield view
        while not view.done:
            paused_s = pause_s(view, running())
            await asyncio.sleep(paused_s)
            if reader.gone(paused_s):
                stop()
            view = live.view()
            yield view
    finally:
        if not live.finished.is_set():
            stop()


def pause_s(view: PairView, running: int = 1) -> float:
    """Until the next redraw, by how much there is to draw here and elsewhere."""
    answers = [view.side(side).answer for side in SIDES]
    shown = sum(len(answer.thinking) + len(answer.text) for answer in answers)
    by_length = next(seconds for seconds, upto in REDRAW_S if upto is None or shown < upto)
    return max(by_length, min(running / FRAMES_A_SECOND, REDRAW_S[-1][0]))
