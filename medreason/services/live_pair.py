"""A pair while it is answered, and what its reader may see of it then and later.

Filled by the answering thread and read by the page, each on its own clock. A reader of a blinded pair is
given sides only. Knows nothing of engines or of who asks.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.events import Draft, Event
from medreason.services.blinding import visible_sides
from medreason.storage.pairs import Pair

UNREAD_FOR_S = 15.0


@dataclass(frozen=True)
class SideView:
    """What a reader may see of one side. `arm` is None while the sides are hidden. `seconds` counts from
    the start of the answer, `thinking_s` from there to the end of thinking."""

    side: Side
    arm: Arm | None
    answer: Answer
    started: bool
    done: bool
    seconds: float
    thinking_s: float


@dataclass(frozen=True)
class PairView:
    """Both sides of one pair, at one moment. `done` when nothing more will come."""

    pair_id: int
    conversation_id: int
    question: str
    blinded: bool
    left: SideView
    right: SideView
    done: bool

    def side(self, side: Side) -> SideView:
        return self.left if side is Side.LEFT else self.right


class LivePair:
    """A pair being answered: filled by the answering thread, read by the page."""

    def __init__(self, pair: Pair, clock: Callable[[], float] = time.monotonic):
        self.pair = pair
        self.drafts = {arm: Draft(arm) for arm in ARMS}
        self.cancel = threading.Event()
        self.finished = threading.Event()
        self._clock = clock
        self._began = clock()
        self._read_at = self._began
        self._started: dict[Arm, float] = {}
        self._thought_until: dict[Arm, float] = {}
        self._lock = threading.Lock()

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
        """True once the reader pressed Stop, or no page has read this pair for a while."""
        if self._clock() - self._read_at > UNREAD_FOR_S:
            self.cancel.set()
        return self.cancel.is_set()

    def view(self) -> PairView:
        """Both sides as the reader may see them now; reading keeps the answer going."""
        self._read_at = self._clock()
        done = self.finished.is_set()
        with self._lock:
            left, right = (self._side(side, done) for side in SIDES)
        pair = self.pair
        return PairView(pair.id, pair.conversation_id, pair.question, pair.blinded, left, right, done)

    def _side(self, side: Side, done: bool) -> SideView:
        arm = self.pair.sides.arm(side)
        draft, now = self.drafts[arm], self._clock()
        started = self._started.get(arm)
        thought_until = self._thought_until.get(arm, now)
        return SideView(
            side=side,
            arm=None if self.pair.blinded else arm,
            answer=draft.answer(),
            started=started is not None,
            done=done or draft.done,
            seconds=now - started if started is not None else 0.0,
            thinking_s=thought_until - started if started is not None else 0.0,
        )


def stored_view(pair: Pair) -> PairView:
    """A stored pair as its reader may see it."""
    shown = visible_sides(pair, rated=pair.revealed_at is not None)

    def view(side: Side) -> SideView:
        arm = pair.sides.arm(side)
        stored = pair.answers.get(arm)
        answer = stored.answer if stored else Answer(finish=Finish.CANCELLED)
        return SideView(
            side=side,
            arm=shown.arm(side) if shown else None,
            answer=answer if shown else replace(answer, timings=Answer().timings),
            started=True,
            done=True,
            seconds=answer.timings.total_s,
            thinking_s=answer.timings.thinking_s,
        )

    hidden = shown is None
    return PairView(pair.id, pair.conversation_id, pair.question, hidden, view(Side.LEFT), view(Side.RIGHT), True)
