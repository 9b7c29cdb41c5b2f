"""The stream of a pair: what an engine yields while both arms answer.

Thinking is its own kind of event, decided once by the engine; no page ever looks for a tag. For each
arm the order is `Started`, then `ThinkingText`s, then `AnswerText`s, then exactly one of `Finished` or
`Failed`. The two arms interleave freely, and one may fail while the other goes on.
"""

from dataclasses import dataclass

from medreason.domain.answers import LONGEST_TEXT, Answer, Counts, Finish, Timings
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
    a stream that breaks off has been stopped, not finished. `begun` is what the arm said before, where it is
    continued: what comes is joined to it, and where it had ended by itself nothing comes.

    A part longer than can be stored loses its end, and the answer then counts as cut off."""

    def __init__(self, arm: Arm, begun: Answer | None = None):
        self.arm = arm
        self.begun = begun or Answer()
        self.thinking = [self.begun.thinking]
        self.text = [self.begun.text]
        self.thought = self.begun.thought
        self.closed = self.begun.closed
        self.done = self.begun.ended_by_itself
        self.finish = self.begun.finish if self.done else Finish.CANCELLED
        self.fault = ""
        self.counts = self.begun.counts
        self.timings = self.begun.timings
        self._room = {
            "thinking": LONGEST_TEXT - len(self.begun.thinking),
            "text": LONGEST_TEXT - len(self.begun.text),
        }
        self._cut = False

    def take(self, event: Event) -> None:
        """Add one event; events of the other arm are ignored."""
        if event.arm is not self.arm:
            return
        match event:
            case Started(prompt_tokens=prompt_tokens):
                self.counts = self.begun.joined_counts(Counts(prompt_tokens=prompt_tokens))
            case ThinkingText(text=text):
                self.thought = True
                self.thinking.append(self._fitting("thinking", text))
            case AnswerText(text=text):
                self.closed = self.thought
                self.text.append(self._fitting("text", text))
            case Finished():
                self.finish = Finish.LENGTH if self._cut and event.finish is Finish.STOP else event.finish
                self.thought, self.closed = event.thought, event.closed
                self._end(event)
            case Failed():
                self.finish, self.fault = Finish.FAILED, event.reason
                self._end(event)

    def _end(self, event: Finished | Failed) -> None:
        self.counts = self.begun.joined_counts(event.counts)
        self.timings = self.begun.joined_timings(event.timings)
        self.done = True

    def _fitting(self, part: str, text: str) -> str:
        kept = text[: self._room[part]]
        self._room[part] -= len(kept)
        self._cut = self._cut or len(kept) < len(text)
        return kept

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
