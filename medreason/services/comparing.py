"""Puts a question to both arms: a new one, the last one again, or the last answers continued.

Decides, before anything is shown, which arm stands on which side; a conversation keeps its sides. An answer is
produced by `answering` and read by the page on the page's clock. A page that stops reading stops the answer.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from medreason.domain.arms import ARMS, Arm
from medreason.domain.case import Case
from medreason.domain.conversation import Conversation, Turn
from medreason.domain.provenance import ModelProvenance, Provenance
from medreason.domain.rating import Sides
from medreason.domain.sampling import Sampling
from medreason.domain.setting import settings_of
from medreason.domain.user import Action, User
from medreason.errors import Busy, MedReasonError, NotFound, NotReady
from medreason.services.answering import Answering
from medreason.services.blinding import draw
from medreason.services.case_desk import CaseDesk, ClosedCases, none_closed
from medreason.services.live_pair import LivePair
from medreason.services.pair_view import stored_view
from medreason.services.serving import Serving
from medreason.storage.pair import Pair
from medreason.storage.pairs import Pairs

LONGEST_BUDGET = int(next(one for one in settings_of(Sampling) if one.name == "max_new_tokens").maximum or 0)


class Comparing:
    """Questions of all users. `closed_cases` tells whose cases may not be asked here just now."""

    def __init__(
        self,
        serving: Serving,
        pairs: Pairs,
        cases: Sequence[Case] = (),
        closed_cases: ClosedCases = none_closed,
    ):
        self._serving = serving
        self._pairs = pairs
        self.desk = CaseDesk(cases, closed_cases)
        self.answering = Answering(serving, pairs)

    def cases(self, user: User) -> tuple[Case, ...]:
        """What the user may choose from."""
        user.require(Action.COMPARE)
        return self.desk.open_to(user)

    def ask(
        self,
        user: User,
        question: str,
        sampling: Sampling,
        *,
        blind: bool,
        conversation_id: int | None = None,
        case: Case | None = None,
        system_prompt: str = "",
    ) -> LivePair:
        """Store the question with its sides and start answering it; returns at once.

        Raises `NotReady` while no model can answer, `Busy` where this user's earlier answers still run,
        `Invalid` for an empty or over-long question, `NotFound` for somebody else's conversation, `NotAllowed`
        for a case that is closed to this user.
        """
        user.require(Action.COMPARE)
        turns = self._owned(user, conversation_id) if conversation_id is not None else ()
        conversation = Conversation(question.strip(), _as_turns(turns), system_prompt)
        return self._start(user, conversation, sampling, blind, turns, conversation_id, case)

    def ask_again(
        self,
        user: User,
        pair_id: int,
        sampling: Sampling,
        *,
        question: str | None = None,
        case: Case | None = None,
        system_prompt: str = "",
    ) -> LivePair:
        """A further version of the last turn, with the same question or an edited one. Raises as `ask` does, and
        `NotFound` where the pair is not the last of its conversation."""
        user.require(Action.COMPARE)
        *earlier, last = self._ending_with(user, pair_id)
        asked = last.question if question is None else question.strip()
        conversation = Conversation(asked, _as_turns(earlier), system_prompt)
        if case is None and asked == last.question:
            case = next((one for one in self.desk.open_to(user) if one.case_id == last.case_id), None)
        return self._start(
            user,
            conversation,
            sampling,
            last.blinded,
            (*earlier, last),
            last.conversation_id,
            case,
            turn=last.turn,
        )

    def regenerate(self, user: User, pair_id: int, sampling: Sampling, system_prompt: str = "") -> LivePair:
        """The last question once more. The same settings and seed would give the same answers, so where nothing
        but the budget was changed it is asked with a new seed. Raises as `ask_again` does."""
        last = self._ending_with(user, pair_id)[-1]
        before = replace(last.sampling, max_new_tokens=sampling.max_new_tokens)
        if (sampling, system_prompt) == (before, last.system_prompt):
            sampling = replace(sampling, seed=secrets.randbelow(2**31))
        return self.ask_again(user, pair_id, sampling, system_prompt=system_prompt)

    def go_on(self, user: User, pair_id: int, extra_tokens: int) -> LivePair:
        """Continue what was stopped, cut off or broken off: each arm from exactly what it had said, and both with
        the same extra budget. A side that had ended by itself stays as it is. The joined answers are a further
        version of the turn. Raises as `ask_again` does."""
        user.require(Action.COMPARE)
        *earlier, last = self._ending_with(user, pair_id)
        if not stored_view(last).continuable:
            raise MedReasonError(
                "A server cannot go on from where an answer was cut. Allow a longer answer and press Regenerate."
            )
        if not stored_view(last).can_continue:
            raise MedReasonError("Both answers have come to their own end. Ask a further question instead.")
        sampling = _with_more(last.sampling, extra_tokens)
        begun = last.as_turn()
        conversation = Conversation(last.question, _as_turns(earlier), last.system_prompt, begun)
        return self._start(
            user,
            conversation,
            sampling,
            last.blinded,
            (*earlier, last),
            last.conversation_id,
            next((one for one in self.desk.open_to(user) if one.case_id == last.case_id), None),
            turn=last.turn,
            continues=last,
        )

    def _start(
        self,
        user: User,
        conversation: Conversation,
        sampling: Sampling,
        blind: bool,
        turns: Sequence[Pair],
        conversation_id: int | None,
        case: Case | None,
        turn: int | None = None,
        continues: Pair | None = None,
    ) -> LivePair:
        """`turns` are the shown ones of the conversation; one conversation keeps its sides, or its second turn
        would give them away."""
        self.desk.require_open(user, case.case_id if case else None, conversation.question)
        engine = self._serving.engine()
        model = engine.provenance
        sides = None
        if turns:
            blind, sides = _still_blind(turns), turns[0].sides
            _require_same_model(turns[-1], model)
            self._require_ended(turns)
            if user.compares_blind_only and not blind:
                raise MedReasonError(
                    "You have been told the sides here. Press New conversation to ask blind again."
                )
        blind = blind or user.compares_blind_only
        if blind and Arm.FINETUNED not in engine.state.arms:
            raise NotReady(
                "Blind needs both models, and no fine-tuned one is loaded. Choose one, or untick Blind."
            )
        drawn = sides or (draw() if blind else Sides(left=Arm.BASELINE))
        proofs = {arm: Provenance(model, arm, sampling, conversation.system_prompt) for arm in ARMS}
        extra = sampling
        if continues is not None:
            proofs = {arm: _continued(proofs[arm], continues) for arm in ARMS}
            extra = replace(sampling, max_new_tokens=sampling.max_new_tokens - continues.sampling.max_new_tokens)
        return self.answering.start(
            user.id,
            lambda: self._pairs.begin(
                user_id=user.id,
                conversation_id=conversation_id,
                case_id=case.case_id if case else None,
                question=conversation.question,
                system_prompt=conversation.system_prompt,
                sampling=sampling,
                left=drawn.left,
                blinded=blind,
                specialty=case.specialty if case else "",
                turn=turn,
                continues=continues.id if continues else None,
            ),
            conversation,
            extra,
            proofs,
        )

    def _owned(self, user: User, conversation_id: int) -> tuple[Pair, ...]:
        """The shown turns of a conversation of this user; `NotFound` for anybody else's."""
        pairs = self._pairs.in_conversation(conversation_id)
        if not pairs or pairs[0].user_id != user.id:
            raise NotFound("That conversation is not yours or no longer there. Start a new one.")
        return pairs

    def _ending_with(self, user: User, pair_id: int) -> tuple[Pair, ...]:
        """The shown turns of the user's conversation whose last is this pair."""
        turns = self._owned(user, self._pairs.get(pair_id).conversation_id)
        if turns[-1].id != pair_id:
            raise NotFound("The conversation has gone on in another window. Reload the page, then try again.")
        return turns

    def _require_ended(self, turns: Sequence[Pair]) -> None:
        if any(self.answering.find(turn.id) for turn in turns):
            raise Busy("The question before is still being answered. Stop it, or wait for it.")

    def stop(self, user: User, pair_id: int | None) -> None:
        """End a running answer of this user; what was said is kept. Nothing happens if none is running."""
        live = self.answering.find(pair_id) if pair_id is not None else None
        if live is not None and live.pair.user_id == user.id:
            live.cancel.set()

    def stop_all(self) -> None:
        """At shutdown: end every running answer and give its thread a moment to store it."""
        self.answering.stop_all()


def _as_turns(pairs: Sequence[Pair]) -> tuple[Turn, ...]:
    return tuple(pair.as_turn() for pair in pairs)


def _still_blind(turns: Sequence[Pair]) -> bool:
    """As long as no turn of the conversation has told its reader the sides."""
    return all(stored_view(turn).blinded for turn in turns)


def _with_more(sampling: Sampling, extra_tokens: int) -> Sampling:
    """The same settings, allowed more; `Invalid` for no sensible number."""
    asked = replace(sampling, max_new_tokens=extra_tokens).max_new_tokens
    total = min(sampling.max_new_tokens + asked, LONGEST_BUDGET)
    if total == sampling.max_new_tokens:
        raise MedReasonError(f"The answer has reached the longest that is allowed, {LONGEST_BUDGET:,} tokens.")
    return replace(sampling, max_new_tokens=total)


def _continued(proof: Provenance, continues: Pair) -> Provenance:
    """Proof of the joined answer; that of an arm which had ended by itself stays what it was."""
    stored = continues.answers.get(proof.arm)
    if stored is None:
        return proof
    if stored.answer.ended_by_itself:
        return stored.provenance
    return replace(proof, continued_at=(*stored.provenance.continued_at, stored.answer.counts.said))


def _require_same_model(last: Pair, model: ModelProvenance) -> None:
    """One conversation is with one pair of models, or its second turn would rest on another's first."""
    for stored in last.answers.values():
        then = stored.provenance.model
        if (then.base_sha256, then.precision) != (model.base_sha256, model.precision):
            raise MedReasonError("Another base model is loaded since. Press New conversation, then ask.")
        if stored.provenance.arm is Arm.FINETUNED and then.finetuned_identity != model.finetuned_identity:
            raise MedReasonError(
                "The fine-tuned model was changed after this conversation began. Press New conversation, then ask."
            )
