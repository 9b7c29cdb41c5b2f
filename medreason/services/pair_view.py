"""What a reader may see of one pair at one moment: two sides, how each ended, and what can be done next."""

from dataclasses import dataclass, replace

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import SIDES, Arm, Side
from medreason.domain.provenance import Provenance
from medreason.domain.sampling import Sampling
from medreason.services.blinding import visible_sides, without_traces
from medreason.storage.pair import Pair


@dataclass(frozen=True)
class SideView:
    """One side. `arm` and `provenance` are None while the sides are hidden; `provenance` also until the answer
    is stored. `seconds` counts from the start of the answer, `thinking_s` from there to the end of thinking."""

    side: Side
    arm: Arm | None
    answer: Answer
    started: bool
    done: bool
    seconds: float
    thinking_s: float
    provenance: Provenance | None = None


@dataclass(frozen=True)
class PairView:
    """Both sides of one pair. `blinded` while the reader may not know the arms; `done` when nothing more will
    come; `version` of `versions` of its turn. `continued` where it goes on from another version; `continuable`
    where the engine can go on from given words, which a server's answers do not allow."""

    pair_id: int
    conversation_id: int
    turn: int
    question: str
    case_id: str
    system_prompt: str
    sampling: Sampling
    created_at: str
    blinded: bool
    left: SideView
    right: SideView
    done: bool
    version: int
    versions: int
    continued: bool
    continuable: bool

    def unnamed(self) -> "PairView":
        """The same without what produced the sides, for who may learn which is which and not their names."""
        left, right = (replace(one, provenance=None) for one in (self.left, self.right))
        return replace(self, left=left, right=right)

    def side(self, side: Side) -> SideView:
        return self.left if side is Side.LEFT else self.right

    @property
    def whole(self) -> bool:
        """Both sides came to an end by themselves or at the token budget, so the pair can be rated."""
        return self.done and all(self.side(side).answer.finish in (Finish.STOP, Finish.LENGTH) for side in SIDES)

    @property
    def can_continue(self) -> bool:
        """A side had not come to its own end."""
        return self.done and self.continuable and not all(self.side(side).answer.ended_by_itself for side in SIDES)


def view_of(pair: Pair, left: SideView, right: SideView, hidden: bool, done: bool) -> PairView:
    return PairView(
        pair_id=pair.id,
        conversation_id=pair.conversation_id,
        turn=pair.turn,
        question=pair.question,
        case_id=pair.case_id or "",
        system_prompt=pair.system_prompt,
        sampling=pair.sampling,
        created_at=pair.created_at,
        blinded=hidden,
        left=left,
        right=right,
        done=done,
        version=pair.version,
        versions=pair.versions,
        continued=pair.continues is not None,
        continuable=not any(stored.provenance.model.claimed_by for stored in pair.answers.values()),
    )


def stored_view(pair: Pair) -> PairView:
    """A stored pair as its reader may see it."""
    shown = visible_sides(pair, rated=pair.revealed_at is not None)
    stored = [pair.answers.get(pair.sides.arm(side)) for side in SIDES]
    answers = [one.answer if one else Answer() for one in stored]
    if shown is None:
        answers = list(without_traces(*answers))
    views = [
        SideView(
            side=side,
            arm=shown.arm(side) if shown else None,
            answer=answer,
            started=True,
            done=True,
            seconds=answer.timings.total_s,
            thinking_s=answer.timings.thinking_s,
            provenance=one.provenance if one and shown else None,
        )
        for side, answer, one in zip(SIDES, answers, stored, strict=True)
    ]
    return view_of(pair, views[0], views[1], hidden=shown is None, done=True)
