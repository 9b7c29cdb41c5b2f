"""One arm's tokens become events: text as it is decoded, split into thinking and answer, counted, timed."""

import time
from collections.abc import Callable
from typing import Any

from medreason.domain.answers import Finish, Timings
from medreason.domain.arms import Arm
from medreason.domain.events import AnswerText, Event, Failed, Finished, Started, ThinkingText
from medreason.domain.provenance import ModelProvenance
from medreason.text import lengths
from medreason.text.template import CLOSE, OPEN
from medreason.text.thinking import ThinkingSplitter

UNFINISHED = "\ufffd"
LONGEST_CHARACTER = 8


class Detokenizer:
    """Text of tokens that come one by one. A character spread over several tokens is held until it is
    whole; what never becomes one comes out as the replacement sign. Special tokens are left out, except
    for the thinking tags."""

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        names = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
        self._hidden = {number for name, number in names if name not in (OPEN, CLOSE)}
        self._ids: list[int] = []
        self._from = 0  # decoding starts here, for what depends on the token before
        self._given = 0  # tokens before here are out

    def add(self, token: int) -> str:
        if token in self._hidden:
            return ""
        self._ids.append(token)
        text = self._new()
        if text.endswith(UNFINISHED) and len(self._ids) - self._given < LONGEST_CHARACTER:
            return ""
        return self._out(text)

    def rest(self) -> str:
        return self._out(self._new())

    def _new(self) -> str:
        return self._decode(self._ids[self._from :])[len(self._decode(self._ids[self._from : self._given])) :]

    def _out(self, text: str) -> str:
        self._from, self._given = self._given, len(self._ids)
        return text.replace("\x00", UNFINISHED)  # NUL can be stored nowhere

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


class Voice:
    """One arm during one request. `opened` where its prompt has opened the thinking already."""

    def __init__(
        self,
        arm: Arm,
        tokenizer: Any,
        prompt_tokens: int,
        opened: bool,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.arm = arm
        self.tokens = 0
        self.over = False
        self._tokenizer = tokenizer
        self._prompt_tokens = prompt_tokens
        self._decoded = Detokenizer(tokenizer)
        self._splitter = ThinkingSplitter(opened)
        self._said = {"thinking": "", "answer": ""}
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._thought_until: float | None = None

    def start(self, model: ModelProvenance | None = None) -> Event:
        return Started(self.arm, self._prompt_tokens, model)

    def take(self, token: int) -> list[Event]:
        """The next token, which is none that ends the turn."""
        if self._first is None:
            self._first = self._clock()
        self.tokens += 1
        return self._events(self._splitter.feed(self._decoded.add(token)))

    def end(self, finish: Finish) -> list[Event]:
        """The last events of the arm: what was held back, then how it ended."""
        events = self._rest()
        counts, timings = self._counts(), self._timings()
        closed = self._splitter.closed
        return [*events, Finished(self.arm, finish, counts, timings, self._splitter.thought, closed)]

    def fail(self, reason: str) -> list[Event]:
        """The arm ends by a fault; what it said stands."""
        events = self._rest()
        return [*events, Failed(self.arm, reason, self._counts(), self._timings())]

    def _rest(self) -> list[Event]:
        self.over = True
        return self._events(self._splitter.feed(self._decoded.rest()) + self._splitter.flush())

    def _events(self, pieces: list) -> list[Event]:
        events: list[Event] = []
        for part, text in pieces:
            self._said[part] += text
            if part == "thinking":
                events.append(ThinkingText(self.arm, text))
            else:
                events.append(AnswerText(self.arm, text))
                if self._splitter.closed and self._thought_until is None:
                    self._thought_until = self._clock()
        return events

    def _counts(self) -> Any:
        return lengths.count(self._tokenizer, self._prompt_tokens, self._said["thinking"], self._said["answer"])

    def _timings(self) -> Timings:
        now = self._clock()
        thought_until = self._thought_until if self._thought_until is not None else now
        return Timings(
            first_token_s=self._first - self._began if self._first is not None else 0.0,
            thinking_s=thought_until - self._began if self._splitter.thought else 0.0,
            total_s=now - self._began,
        )
