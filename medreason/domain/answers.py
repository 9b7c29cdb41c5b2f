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
    Tags and the end-of-turn token are counted in neither part."""

    prompt_tokens: int = 0
    thinking_tokens: int = 0
    answer_tokens: int = 0


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
