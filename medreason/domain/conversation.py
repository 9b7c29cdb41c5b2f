"""A conversation with both arms: shared questions, one answer an arm a turn.

Earlier thinking is kept for the reader and left out of what the model is sent, on both arms alike.
"""

from dataclasses import dataclass, replace
from typing import TypedDict

from medreason.domain.answers import Answer
from medreason.domain.arms import Arm
from medreason.domain.checks import Checks

LONGEST_QUESTION = 20_000


class Message(TypedDict):
    """One message as chat templates take it; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Turn:
    """One question and what each arm said to it."""

    question: str
    baseline: Answer = Answer()
    finetuned: Answer = Answer()

    def __post_init__(self) -> None:
        checks = Checks()
        checks.text("Question", self.question, LONGEST_QUESTION)
        checks.done()

    def answer(self, arm: Arm) -> Answer:
        return self.baseline if arm is Arm.BASELINE else self.finetuned

    def with_answer(self, arm: Arm, answer: Answer) -> "Turn":
        if arm is Arm.BASELINE:
            return replace(self, baseline=answer)
        return replace(self, finetuned=answer)


@dataclass(frozen=True)
class Conversation:
    """Finished turns and the question now asked. `system_prompt` is the same for both arms; empty means
    the chat template's own default. `begun`: what each arm has said to the question already, where their
    answers are to be continued."""

    question: str
    earlier: tuple[Turn, ...] = ()
    system_prompt: str = ""
    begun: Turn | None = None

    def __post_init__(self) -> None:
        checks = Checks()
        checks.text("Question", self.question, LONGEST_QUESTION)
        checks.text("System prompt", self.system_prompt, LONGEST_QUESTION, empty_ok=True)
        if self.begun is not None:
            same = self.begun.question == self.question
            checks.require(same, "Question", self.question, "continue the question that was asked")
        checks.done()

    def goes_on(self, arm: Arm) -> bool:
        """Whether the arm is to speak. One that is continued and had ended by itself has no more to say."""
        return self.begun is None or not self.begun.answer(arm).ended_by_itself

    def begun_by(self, arm: Arm) -> Answer | None:
        """What the arm goes on from, or None where it begins anew."""
        return self.begun.answer(arm) if self.begun is not None else None

    def messages(self, arm: Arm) -> list[Message]:
        """What `arm` is sent: its own earlier answers without their thinking, then the question.
        A turn to which the arm said nothing is sent with an empty answer, so both arms see every question."""
        sent: list[Message] = []
        if self.system_prompt.strip():
            sent.append({"role": "system", "content": self.system_prompt})
        for turn in self.earlier:
            sent.append({"role": "user", "content": turn.question})
            sent.append({"role": "assistant", "content": turn.answer(arm).text})
        sent.append({"role": "user", "content": self.question})
        return sent
