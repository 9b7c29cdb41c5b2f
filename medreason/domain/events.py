"""The stream of a pair: what an engine yields while both arms answer.

Thinking is its own kind of event, decided once by the engine; no page ever looks for a tag. For each
arm the order is `Started`, then `ThinkingText`s, then `AnswerText`s, then exactly one of `Finished` or
`Failed`. The two arms interleave freely, and one may fail while the other goes on.
"""

from dataclasses import dataclass

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import Arm
from medreason.domain.provenance import ModelProvenance


@dataclass(frozen=True)
class Started:
    """The arm's prompt is being read; `prompt_tokens` long. `model` is what is loaded at this moment:
    a request may have waited while the adapter was switched."""

    arm: Arm
    prompt_tokens: int = 0
    model: ModelProvenance | None = None


@dataclass(frozen=True)
class ThinkingText:
    """The next piece of the thinking trace. An empty `text` says that a trace has just opened."""

    arm: Arm
    text: str


@dataclass(frozen=True)
class AnswerText:
    """The next piece of the answer. An empty `text` says that thinking has just closed."""

    arm: Arm
    text: str


@dataclass(frozen=True)
class Finished:
    """The arm is done. `thought`/`closed` say whether a trace was opened and closed again."""

    arm: Arm
    finish: Finish
    counts: Counts
    timings: Timings
    thought: bool
    closed: bool


@dataclass(frozen=True)
class Failed:
    """The arm stopped by a fault; what it had said until then stands. `reason` is a plain sentence."""

    arm: Arm
    reason: str
    counts: Counts = Counts()
    timings: Timings = Timings()


Event = Started | ThinkingText | AnswerText | Finished | Failed


class Draft:
    """Gathers the events of one arm into an `Answer`. Until told otherwise the answer is `CANCELLED`:
    a stream that breaks off has been stopped, not finished."""

    def __init__(self, arm: Arm):
        self.arm = arm
        self.thinking: list[str] = []
        self.text: list[str] = []
        self.thought = False
        self.closed = False
        self.finish = Finish.CANCELLED
        self.fault = ""
        self.counts = Counts()
        self.timings = Timings()
        self.done = False

    def take(self, event: Event) -> None:
        """Add one event; events of the other arm are ignored."""
        if event.arm is not self.arm:
            return
        match event:
            case Started(prompt_tokens=prompt_tokens):
                self.counts = Counts(prompt_tokens=prompt_tokens)
            case ThinkingText(text=text):
                self.thought = True
                self.thinking.append(text)
            case AnswerText(text=text):
                self.closed = self.thought
                self.text.append(text)
            case Finished():
                self.finish, self.counts, self.timings = event.finish, event.counts, event.timings
                self.thought, self.closed, self.done = event.thought, event.closed, True
            case Failed():
                self.finish, self.fault = Finish.FAILED, event.reason
                self.counts, self.timings, self.done = event.counts, event.timings, True

    def answer(self) -> Answer:
        return Answer(
            thinking="".join(self.thinking),
            text="".join(self.text),
            finish=self.finish,
            fault=self.fault,
            thought=self.thought,
            closed=self.closed,
            counts=self.counts,
            timings=self.timings,
        )
