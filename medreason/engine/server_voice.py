"""One arm's answer as a server streams it: chunks become events, split into thinking and answer, timed here.

Thinking comes in a field of its own (`reasoning_content`, or `reasoning`) or between tags in the content. Knows
no HTTP.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from medreason.domain.answers import LONGEST_TEXT, Counts, Finish, Timings
from medreason.domain.arms import Arm
from medreason.domain.checks import UNSTORABLE
from medreason.domain.events import AnswerText, Event, Failed, Finished, ThinkingText
from medreason.engine.server_fault import ServerFault, shown
from medreason.text.template import CLOSE, OPEN
from medreason.text.thinking import Piece, ThinkingSplitter

FINISHES = {"stop": Finish.STOP, "length": Finish.LENGTH}
MOST_TOKENS = 2**31
LONGEST_SAID = LONGEST_TEXT - 1000  # leaves room for what the splitter holds back


class ServerVoice:
    """`take` each chunk, then `end`, `cancel` or `fail` once."""

    def __init__(self, arm: Arm, clock: Callable[[], float] = time.monotonic):
        self.arm = arm
        self.finish_reason = ""
        self._splitter = ThinkingSplitter()
        self._reasoning = False  # within the field for thinking
        self._taken = 0
        self._characters = {"thinking": 0, "answer": 0}
        self._prompt_tokens = self._tokens = self._reasoning_tokens = self._tokens_at_thinking = 0
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._thought_until: float | None = None

    def take(self, chunk: Mapping[str, Any]) -> list[Event]:
        """The events of the next chunk. Raises `ServerFault` for one that is not in the format."""
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise ServerFault("The server's answer is not in the OpenAI format. Check --api-base.")
        events: list[Event] = []
        if choices:
            delta = choices[0].get("delta") or {}
            reasoning = _text(delta, "reasoning_content") or _text(delta, "reasoning")
            content = _text(delta, "content")
            self._taken += len(reasoning) + len(content)
            if self._taken > LONGEST_SAID:
                raise ServerFault(f"The server said more than {LONGEST_SAID:,} characters and was stopped.")
            events = self._events(self._pieces(reasoning, content))
            self.finish_reason = _text(choices[0], "finish_reason") or self.finish_reason
        self._count(chunk.get("usage"))
        if any(isinstance(event, ThinkingText) and event.text for event in events):
            self._tokens_at_thinking = self._tokens
        return events

    def end(self) -> list[Event]:
        """The last events of an answer that has come to its end. Raises `ServerFault` where it has not."""
        finish = FINISHES.get(self.finish_reason)
        if finish is None:
            raise ServerFault(_no_end(self.finish_reason))
        return self._finished(finish)

    def cancel(self) -> list[Event]:
        return self._finished(Finish.CANCELLED)

    def fail(self, reason: str) -> list[Event]:
        """The arm ends by a fault; what it said stands."""
        events = self._events(self._splitter.flush())
        return [*events, Failed(self.arm, reason, self._counts(), self._timings())]

    def _finished(self, finish: Finish) -> list[Event]:
        events = self._events(self._splitter.flush())
        thought, closed = self._splitter.thought, self._splitter.closed
        return [*events, Finished(self.arm, finish, self._counts(), self._timings(), thought, closed)]

    def _pieces(self, reasoning: str, content: str) -> list[Piece]:
        if (reasoning or content) and self._first is None:
            self._first = self._clock()
        pieces: list[Piece] = []
        if reasoning:
            # To the splitter the field is a block like any other, begun on a line of its own.
            pieces += self._splitter.feed(reasoning if self._reasoning else f"\n{OPEN}{reasoning}")
            self._reasoning = True
        if content:
            pieces += self._splitter.feed(CLOSE + content if self._reasoning else content)
            self._reasoning = False
        return pieces

    def _events(self, pieces: list[Piece]) -> list[Event]:
        events: list[Event] = []
        for part, text in pieces:
            self._characters[part] += len(text)
            text = UNSTORABLE.sub("\ufffd", text)
            events.append(ThinkingText(self.arm, text) if part == "thinking" else AnswerText(self.arm, text))
            if part == "answer" and self._splitter.closed and self._thought_until is None:
                self._thought_until = self._clock()
        return events

    def _count(self, usage: object) -> None:
        """Take what the server tells of tokens; some tell it with every chunk, others once or never."""
        if not isinstance(usage, dict):
            return
        details = usage.get("completion_tokens_details")
        self._prompt_tokens = _number(usage, "prompt_tokens") or self._prompt_tokens
        self._tokens = _number(usage, "completion_tokens") or self._tokens
        if isinstance(details, dict):
            self._reasoning_tokens = _number(details, "reasoning_tokens") or self._reasoning_tokens

    def _counts(self) -> Counts:
        """As the server told; nought where it did not. Of a total alone the share of thinking is unknown, unless
        the totals told on the way show where the thinking ended."""
        thought, answered = (self._characters[part] > 0 for part in ("thinking", "answer"))
        if not (thought and answered):
            return Counts(self._prompt_tokens, thought * self._tokens, answered * self._tokens)
        thinking = self._reasoning_tokens or self._tokens_at_thinking
        if not 0 < thinking < self._tokens:
            return Counts(self._prompt_tokens)
        return Counts(self._prompt_tokens, thinking, self._tokens - thinking)

    def _timings(self) -> Timings:
        now = self._clock()
        thought_until = self._thought_until if self._thought_until is not None else now
        return Timings(
            first_token_s=self._first - self._began if self._first is not None else 0.0,
            thinking_s=thought_until - self._began if self._splitter.thought else 0.0,
            total_s=now - self._began,
        )


def _text(values: object, field: str) -> str:
    found = values.get(field) if isinstance(values, dict) else None
    if not isinstance(values, dict) or not (found is None or isinstance(found, str)):
        raise ServerFault("The server's answer is not in the OpenAI format. Check --api-base.")
    return found or ""


def _number(values: dict[str, Any], field: str) -> int:
    found = values.get(field)
    good = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < MOST_TOKENS
    return found if good and isinstance(found, int) else 0


def _no_end(finish_reason: str) -> str:
    if not finish_reason:
        return "The server's answer broke off before its end. What it had said is kept. Ask again."
    if finish_reason == "content_filter":
        return "The server's filter held the rest of the answer back. What came through is kept."
    if finish_reason in ("tool_calls", "function_call"):
        return "The model called a tool in place of an answer, and there is none here. Ask again."
    return f"The server ended the answer with “{shown(finish_reason, '')}”. What it had said is kept. Ask again."
