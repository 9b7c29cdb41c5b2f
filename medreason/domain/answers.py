"""What a model said: thinking and answer as separate texts, how it ended, how long it took."""

from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.checks import Checks

LONGEST_TEXT = 400_000


class Finish(StrEnum):
    """How an answer ended. `STOP`: the model ended it. `LENGTH`: cut off at the token budget.
    `CANCELLED`: the reader pressed Stop, or left. `FAILED`: a fault; the reason is kept beside it."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Counts:
    """Tokens of one answer by the model's own tokenizer; the prompt and the cap are never in the lengths.
    Tags and the end-of-turn token are counted in neither part, except where a server counts. A part that has words
    and 0 tokens is one that a server did not count: see `Answer.counted`."""

    prompt_tokens: int = 0
    thinking_tokens: int = 0
    answer_tokens: int = 0

    @property
    def said(self) -> int:
        """Thinking and answer together."""
        return self.thinking_tokens + self.answer_tokens


@dataclass(frozen=True)
class Timings:
    """Seconds from the moment the request began to run. `thinking_s` is the time until thinking closed
    (0 where the model did not think)."""

    first_token_s: float = 0.0
    thinking_s: float = 0.0
    total_s: float = 0.0


@dataclass(frozen=True)
class Answer:
    """One arm's reply to one question. `thought` is True when a trace was opened, `closed` when it was
    closed again; an unclosed trace has an empty `text`."""

    thinking: str = ""
    text: str = ""
    finish: Finish = Finish.CANCELLED
    fault: str = ""
    thought: bool = False
    closed: bool = False
    counts: Counts = Counts()
    timings: Timings = Timings()

    @property
    def counted(self) -> bool:
        """Whether its tokens are known: a server need not tell them, or not those of each part."""
        parts = ((self.thinking, self.counts.thinking_tokens), (self.text, self.counts.answer_tokens))
        return not any(words and not tokens for words, tokens in parts)

    def __post_init__(self) -> None:
        checks = Checks()
        checks.text("thinking", self.thinking, LONGEST_TEXT, empty_ok=True)
        checks.text("answer", self.text, LONGEST_TEXT, empty_ok=True)
        checks.choice("finish", self.finish, list(Finish))
        checks.require(
            bool(self.fault) == (self.finish is Finish.FAILED),
            "fault",
            self.fault,
            "a failed answer names its fault, and no other does",
        )
        checks.done()

    @property
    def ended_by_itself(self) -> bool:
        return self.finish is Finish.STOP

    def joined_counts(self, more: Counts) -> Counts:
        """Counts of this answer and of what its arm said when it was continued. The prompt is the question's,
        without what the arm had said to it already."""
        mine = self.counts
        return Counts(
            mine.prompt_tokens or more.prompt_tokens,
            mine.thinking_tokens + more.thinking_tokens,
            mine.answer_tokens + more.answer_tokens,
        )

    def joined_timings(self, more: Timings) -> Timings:
        """Times of both stretches; the time between them counts nowhere."""
        mine = self.timings
        thinking_s = mine.thinking_s
        if not self.closed and more.thinking_s:
            thinking_s = mine.total_s + more.thinking_s
        first = mine.first_token_s or (mine.total_s + more.first_token_s if more.first_token_s else 0.0)
        return Timings(first, thinking_s, mine.total_s + more.total_s)
