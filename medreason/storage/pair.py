"""What is kept of one question and of both answers to it: values, without the tables they come from."""

from dataclasses import dataclass, field

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Turn
from medreason.domain.provenance import Provenance
from medreason.domain.rating import Sides
from medreason.domain.sampling import Sampling

WHOLE = (Finish.STOP, Finish.LENGTH)


@dataclass(frozen=True)
class StoredAnswer:
    """An answer as it was kept, with proof of what produced it."""

    answer: Answer
    provenance: Provenance
    id: int = 0


@dataclass(frozen=True)
class Pair:
    """One version of one turn of a conversation, the `version`th of `versions`. An arm that has said nothing yet
    is not in `answers`. `continues` is the pair whose answers this one goes on from."""

    id: int
    conversation_id: int
    turn: int
    user_id: int
    case_id: str | None
    specialty: str
    question: str
    system_prompt: str
    sampling: Sampling
    sides: Sides
    blinded: bool
    revealed_at: str | None
    created_at: str
    answers: dict[Arm, StoredAnswer] = field(default_factory=dict)
    presentation_id: int = 0
    version: int = 1
    versions: int = 1
    shown: bool = True
    continues: int | None = None

    @property
    def whole(self) -> bool:
        """Both arms came to an end by themselves or at the token budget: only such a pair can be rated.
        An answer that was stopped says less than its arm had to say."""
        return all(arm in self.answers and self.answers[arm].answer.finish in WHOLE for arm in ARMS)

    def as_turn(self) -> Turn:
        turn = Turn(self.question)
        for arm, stored in self.answers.items():
            turn = turn.with_answer(arm, stored.answer)
        return turn

    @property
    def case_key(self) -> str:
        """What counts as one case in every table: the case of the deck, else the conversation."""
        return self.case_id or f"conversation-{self.conversation_id}"
