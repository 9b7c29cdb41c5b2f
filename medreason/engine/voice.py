"""One arm's tokens become events: text as it is decoded, split into thinking and answer, counted, timed."""

from typing import Any

from medreason.domain.answers import Counts, Finish, Timings
from medreason.domain.arms import Arm
from medreason.domain.events import AnswerText, Event, Failed, Finished, Started, ThinkingText
from medreason.domain.provenance import ModelProvenance
from medreason.engine.tally import Tally
from medreason.text.template import CLOSE, OPEN
from medreason.text.thinking import Piece

UNFINISHED = "\ufffd"
LONGEST_CHARACTER = 8


class Detokenizer:
    """Text of tokens that come one by one. A character spread over several tokens is held until it is
    whole; what never becomes one comes out as the replacement sign. Special tokens are left out, except
    for the thinking tags. `held` tells how many tokens have not become text yet."""

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer
        names = zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True)
        self._hidden = {number for name, number in names if name not in (OPEN, CLOSE)}
        self._ids: list[int] = []
        self._from = 0  # decoding starts here, for what depends on the token before
        self._given = 0  # tokens before here are out

    @property
    def held(self) -> int:
        return len(self._ids) - self._given

    def add(self, token: int) -> str:
        if token in self._hidden:
            return ""
        self._ids.append(token)
        text = self._new()
        if text.endswith(UNFINISHED) and self.held < LONGEST_CHARACTER:
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
    """One arm during one request, which began to run at `began`. `opened` where its prompt has opened the thinking
    already. Moments are seconds of one clock."""

    def __init__(self, arm: Arm, tokenizer: Any, prompt_tokens: int, opened: bool, began: float):
        self.arm = arm
        self.over = False
        self._prompt_tokens = prompt_tokens
        self._decoded = Detokenizer(tokenizer)
        self._tally = Tally(opened)
        self._began = began
        self._first: float | None = None
        self._thought_until: float | None = None

    def go_on_from(self, said: str) -> None:
        """Before the first token: the arm has said this already, and it is not told again."""
        self._tally.splitter.go_on_from(said)

    def start(self, model: ModelProvenance | None = None) -> Event:
        return Started(self.arm, self._prompt_tokens, model)

    def take(self, token: int, at: float) -> list[Event]:
        """The next token, which is none that ends the turn."""
        if self._first is None:
            self._first = at
        before = self._decoded.held
        text = self._decoded.add(token)
        return self._events(self._tally.feed(text, before + 1 if text else 0), at)

    def end(self, finish: Finish, at: float) -> list[Event]:
        """The last events of the arm: what was held back, then how it ended."""
        events = self._rest(at)
        thought, closed = self._tally.splitter.thought, self._tally.splitter.closed
        return [*events, Finished(self.arm, finish, self._counts(), self._timings(at), thought, closed)]

    def fail(self, reason: str, at: float) -> list[Event]:
        """The arm ends by a fault; what it said stands."""
        events = self._rest(at)
        return [*events, Failed(self.arm, reason, self._counts(), self._timings(at))]

    def _rest(self, at: float) -> list[Event]:
        self.over = True
        held = self._decoded.held
        return self._events(self._tally.feed(self._decoded.rest(), held) + self._tally.flush(), at)

    def _events(self, pieces: list[Piece], at: float) -> list[Event]:
        events: list[Event] = []
        for part, text in pieces:
            if part == "thinking":
                events.append(ThinkingText(self.arm, text))
            else:
                events.append(AnswerText(self.arm, text))
                if self._tally.splitter.closed and self._thought_until is None:
                    self._thought_until = at
        return events

    def _counts(self) -> Counts:
        return Counts(self._prompt_tokens, self._tally.tokens["thinking"], self._tally.tokens["answer"])

    def _timings(self, now: float) -> Timings:
        thought_until = self._thought_until if self._thought_until is not None else now
        return Timings(
            first_token_s=self._first - self._began if self._first is not None else 0.0,
            thinking_s=thought_until - self._began if self._tally.splitter.thought else 0.0,
            total_s=now - self._began,
        )
