"""One question to the engine: filled by the engine's thread with what its rows say, read by the thread that asked.

The engine's side knows tokens only. The reader's side turns them into events, each at its own pace, so that a slow
reader holds up nobody.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from medreason.domain.answers import Counts, Finish, Timings
from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Event, Failed, Finished
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling
from medreason.engine.decoder import UNUSABLE, Row
from medreason.engine.faults import NOT_FINITE, plain
from medreason.engine.voice import Voice

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Opening:
    """How an arm begins: what reads its tokens, what its prompt was, and what it has said to it already."""

    tokenizer: Any
    prompt_tokens: int
    opened: bool
    model: ModelProvenance
    begun: str = ""


@dataclass(frozen=True)
class Word:
    """One thing that happened to an arm: it began, drew a token, ended, or failed with a reason."""

    arm: Arm
    what: Opening | int | Finish | str
    at: float


class Request:
    """`arms` are those that shall answer; `cancelled` is read between steps by the engine's thread."""

    def __init__(
        self,
        conversation: Conversation,
        sampling: Sampling,
        cancelled: Callable[[], bool],
        arms: tuple[Arm, ...] | None = None,
    ):
        self.conversation, self.sampling, self.arms = conversation, sampling, arms
        self._cancelled = cancelled
        self._said: queue.SimpleQueue[Word | Exception | None] = queue.SimpleQueue()
        self._left = False
        self._admitted = False
        self._gate = threading.Lock()
        self._rows: dict[Row, Arm] = {}
        self._drawn: dict[Row, int] = {}
        self._begun_rows = 0

    def among(self, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
        """Those of the arms that can answer which are to speak: an answer that had ended is not continued."""
        return tuple(arm for arm in self.arms or arms if self.conversation.goes_on(arm))

    # The engine's side.

    @property
    def rows(self) -> tuple[Row, ...]:
        """Those that still speak."""
        return tuple(self._rows)

    @property
    def silent(self) -> bool:
        """Whether none of its arms has said anything or ended yet."""
        return len(self._rows) == self._begun_rows and not self._drawn

    def admit(self) -> bool:
        """The engine begins with it; False where nobody waits for it any more."""
        with self._gate:
            self._admitted = not self._left
            return self._admitted

    def refuse(self, fault: Exception) -> None:
        """The reader gets `fault` raised."""
        self._said.put(fault)

    def withdraw(self) -> None:
        """It was cancelled before it began."""
        self._said.put(WITHDRAWN)

    def begin(self, openings: dict[Arm, Opening], rows: dict[Row, Arm]) -> None:
        now = time.monotonic()
        for arm, opening in openings.items():
            self._said.put(Word(arm, opening, now))
        self._rows = dict(rows)
        self._begun_rows = len(rows)

    def renew(self) -> None:
        """Its rows start anew, as other handles: what may still come of the ones before is nobody's."""
        self._rows = {replace(row): arm for row, arm in self._rows.items()}

    def gone(self) -> bool:
        """Whether its reader has left or wants no more."""
        return self._left or self._cancelled()

    def take(self, row: Row, token: int, stops: frozenset[int]) -> None:
        """A token that was drawn; the row may have ended with it."""
        if row not in self._rows:
            return
        if token == UNUSABLE:
            self.end(row, NOT_FINITE)
        elif token in stops:
            self.end(row, Finish.STOP)
        else:
            self._put(row, token)
            self._drawn[row] = self._drawn.get(row, 0) + 1
            if self._drawn[row] >= self.sampling.max_new_tokens:
                self.end(row, Finish.LENGTH)

    def end(self, row: Row, how: Finish | str) -> None:
        """The row speaks no more; `how` is a reason where it failed."""
        if row in self._rows:
            self._put(row, how)
            del self._rows[row]
        if not self._rows:
            self._said.put(None)

    def end_all(self, how: Finish | str) -> None:
        for row in self.rows:
            self.end(row, how)

    def fail(self, reason: str, arms: tuple[Arm, ...]) -> None:
        """It ends before its rows are there; `arms` would have answered."""
        now = time.monotonic()
        for arm in arms:
            self._said.put(Word(arm, reason, now))
        self._said.put(None)

    def _put(self, row: Row, what: int | Finish | str) -> None:
        self._said.put(Word(self._rows[row], what, time.monotonic()))

    # The reader's side.

    def events(self, arms: Callable[[], tuple[Arm, ...]]) -> Iterator[Event]:
        """What the arms say, until all have ended; raises what the engine refuses it with. `arms` tells who would
        have answered, where it is cancelled in the line."""
        voices: dict[Arm, Voice] = {}
        try:
            while True:
                word = self._next()
                if isinstance(word, Exception):
                    raise word
                if word is None:
                    return
                if word is WITHDRAWN:
                    yield from (_never_begun(arm) for arm in self.among(arms()))
                    return
                try:
                    told = _tell(voices, word)
                except Exception as fault:
                    log.exception("What an arm said could not be told")
                    yield from _give_up(voices, plain(fault))
                    return
                yield from told
        finally:
            with self._gate:
                self._left = True

    def _next(self) -> Word | Exception | None:
        while True:
            try:
                return self._said.get(timeout=None if self._admitted else LOOK_EVERY_S)
            except queue.Empty:
                if self._cancelled():
                    with self._gate:
                        if not self._admitted:
                            self._left = True
                            return WITHDRAWN


WITHDRAWN = Word(Arm.BASELINE, Finish.CANCELLED, 0.0)


def _tell(voices: dict[Arm, Voice], word: Word) -> list[Event]:
    arm, what, at = word.arm, word.what, word.at
    if isinstance(what, Opening):
        voices[arm] = Voice(arm, what.tokenizer, what.prompt_tokens, what.opened, began=at)
        voices[arm].go_on_from(what.begun)
        return [voices[arm].start(what.model)]
    if isinstance(what, Finish):
        return voices[arm].end(what, at)
    if isinstance(what, str):
        return voices[arm].fail(what, at) if arm in voices else [Failed(arm, what)]
    return voices[arm].take(what, at)


def _give_up(voices: dict[Arm, Voice], reason: str) -> Iterator[Event]:
    for voice in voices.values():
        if not voice.over:
            yield Failed(voice.arm, reason)


def _never_begun(arm: Arm) -> Event:
    return Finished(arm, Finish.CANCELLED, Counts(), Timings(), thought=False, closed=False)
