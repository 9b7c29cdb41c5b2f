"""A pair while it is answered: filled by the answering thread and read by the page, each on its own clock.

A reader of a blind pair sees nothing until both sides are stored, and then sides only, on one clock. Knows
nothing of engines or of who asks.
"""

import threading
import time
from collections.abc import Callable

from medreason.domain.answers import Answer
from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.conversation import Turn
from medreason.domain.events import Draft, Event
from medreason.services.blinding import Replay, without_traces
from medreason.services.pair_view import PairView, SideView, view_of
from medreason.storage.pair import Pair

UNREAD_FOR_S = 10.0


class LivePair:
    """`begun` is what each arm had said before, where the pair continues another."""

    def __init__(self, pair: Pair, begun: Turn | None = None, clock: Callable[[], float] = time.monotonic):
        self.pair = pair
        self.drafts = {arm: Draft(arm, begun.answer(arm) if begun else None) for arm in ARMS}
        self.cancel = threading.Event()
        self.finished = threading.Event()
        self._clock = clock
        self._began = self._read_at = clock()
        self._started: dict[Arm, float] = {}
        self._thought_until: dict[Arm, float] = {}
        self._lock = threading.Lock()
        self._replay: Replay | None = None

    def take(self, event: Event) -> None:
        with self._lock:
            draft = self.drafts[event.arm]
            was_closed = draft.closed
            self._started.setdefault(event.arm, self._clock())
            draft.take(event)
            if draft.closed and not was_closed:
                self._thought_until[event.arm] = self._clock()

    def answer(self, arm: Arm) -> Answer:
        with self._lock:
            return self.drafts[arm].answer()

    def cancelled(self) -> bool:
        """True once the reader pressed Stop or left, or no page has read this pair for a while."""
        if self._clock() - self._read_at > UNREAD_FOR_S:
            self.cancel.set()
        return self.cancel.is_set()

    def view(self) -> PairView:
        """Both sides as the reader may see them now; reading keeps the answer going."""
        self._read_at = self._clock()
        return self.glance()

    def glance(self) -> PairView:
        """As `view`, by somebody who does not follow the answer."""
        finished = self.finished.is_set()
        if self.pair.blinded:
            return self._blind(finished)
        with self._lock:
            left, right = (self._side(side, finished) for side in SIDES)
        return view_of(self.pair, left, right, hidden=False, done=finished)

    def _side(self, side: Side, finished: bool) -> SideView:
        arm = self.pair.sides.arm(side)
        draft, now = self.drafts[arm], self._clock()
        started = self._started.get(arm)
        before = draft.begun.timings
        thought_until = self._thought_until.get(arm, now)
        seconds = now - started if started is not None else 0.0
        thinking_s = before.total_s + thought_until - started if started is not None else before.thinking_s
        return SideView(
            side=side,
            arm=arm,
            answer=draft.answer(),
            started=started is not None or draft.done,
            done=finished or draft.done,
            seconds=before.total_s + seconds,
            thinking_s=before.thinking_s if draft.begun.closed else thinking_s,
        )

    def _blind(self, finished: bool) -> PairView:
        """Nothing until both are stored; what was shown of a continued answer before stays in sight."""
        with self._lock:
            if not finished:
                left, right = without_traces(*(self.drafts[self.pair.sides.arm(side)].begun for side in SIDES))
                shown = False
            else:
                if self._replay is None:
                    said = (self.drafts[self.pair.sides.arm(side)].answer() for side in SIDES)
                    self._replay = Replay(*without_traces(*said), self._clock)
                left, right, shown = self._replay.now()
        waited = self._clock() - self._began
        views = [
            SideView(side, None, answer, started=finished, done=shown, seconds=waited, thinking_s=0.0)
            for side, answer in zip(SIDES, (left, right), strict=True)
        ]
        return view_of(self.pair, views[0], views[1], hidden=True, done=shown)
