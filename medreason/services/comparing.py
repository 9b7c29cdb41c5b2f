"""Puts a question to both arms and keeps what they say: stored when asked, while they speak, and at the end.

An answer is produced in a thread of its own and read by the page on the page's clock. A page that stops
reading stops the answer. Which arm stands on which side is decided here, before anything is shown, and
a reader of a blinded pair is given sides only.
"""

import logging
import threading
import time
from dataclasses import replace

from medreason.domain.arms import ARMS, Arm
from medreason.domain.case import Case
from medreason.domain.conversation import Conversation
from medreason.domain.events import Failed, Started
from medreason.domain.provenance import Provenance
from medreason.domain.rating import Sides
from medreason.domain.sampling import Sampling
from medreason.domain.user import Action, User
from medreason.errors import Busy, MedReasonError, NotFound
from medreason.services.blinding import draw
from medreason.services.live_pair import LivePair, PairView, stored_view
from medreason.services.serving import Serving
from medreason.storage.pairs import Pair, Pairs

log = logging.getLogger(__name__)

SAVE_EVERY_S = 2.0
RUNNING_A_USER = 3

NO_ADAPTER = "No fine-tuned model is loaded. Choose one above, or make one in Train."


class Comparing:
    """Questions, running answers and conversations of all users."""

    def __init__(self, serving: Serving, pairs: Pairs):
        self._serving = serving
        self._pairs = pairs
        self._live: dict[int, LivePair] = {}
        self._lock = threading.Lock()

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
        `Invalid` for an empty or over-long question, `NotFound` for somebody else's conversation.
        """
        user.require(Action.COMPARE)
        blind = blind or user.compares_blind_only
        engine = self._serving.engine()
        turns = self._owned(user, conversation_id) if conversation_id is not None else ()
        if turns:
            # One conversation keeps its sides, or its second turn would give them away.
            blind, sides = stored_view(turns[0]).blinded, turns[0].sides
            _require_same_adapter(turns[-1], engine.provenance.adapter_sha256)
        else:
            sides = draw() if blind else Sides(left=Arm.BASELINE)
        earlier = self._pairs.earlier(conversation_id) if conversation_id is not None else ()
        conversation = Conversation(question.strip(), earlier, system_prompt)
        with self._lock:
            mine = [live for live in self._live.values() if live.pair.user_id == user.id]
            if len(mine) >= RUNNING_A_USER:
                raise Busy("Your earlier questions are still being answered. Stop one, or wait for it.")
        pair = self._pairs.begin(
            user_id=user.id,
            conversation_id=conversation_id,
            case_id=case.case_id if case else None,
            question=conversation.question,
            system_prompt=system_prompt,
            sampling=sampling,
            left=sides.left,
            blinded=blind,
            specialty=case.specialty if case else "",
        )
        live = LivePair(pair)
        with self._lock:
            self._live[pair.id] = live
        model = engine.provenance
        proofs = {arm: Provenance(model, arm, sampling, system_prompt) for arm in ARMS}
        thread = threading.Thread(
            target=self._answer,
            args=(live, conversation, sampling, proofs),
            name=f"answer-{pair.id}",
            daemon=True,
        )
        thread.start()
        return live

    def _owned(self, user: User, conversation_id: int) -> tuple[Pair, ...]:
        """The pairs of a conversation of this user; `NotFound` for anybody else's."""
        pairs = self._pairs.in_conversation(conversation_id)
        if not pairs or pairs[0].user_id != user.id:
            raise NotFound("That conversation is not yours or no longer there. Start a new one.")
        return pairs

    def _answer(
        self,
        live: LivePair,
        conversation: Conversation,
        sampling: Sampling,
        proofs: dict[Arm, Provenance],
    ) -> None:
        """Runs in the answering thread. Whatever happens, what was said is stored and the pair ends."""
        saved_at = time.monotonic()
        stream = None
        try:
            for arm in ARMS:
                if arm not in self._serving.state.arms:
                    live.take(Failed(arm, NO_ADAPTER))
            self._save(live, proofs)
            stream = self._serving.engine().ask_pair(conversation, sampling, live.cancelled)
            for event in stream:
                live.take(event)
                if isinstance(event, Started) and event.model is not None:
                    proofs[event.arm] = replace(proofs[event.arm], model=event.model)
                if time.monotonic() - saved_at > SAVE_EVERY_S:
                    self._save(live, proofs)
                    saved_at = time.monotonic()
        except MedReasonError as fault:
            self._fail(live, str(fault))
        except Exception:
            log.exception("Answering pair %s failed", live.pair.id)
            self._fail(live, "The answer stopped because of an unexpected fault. Ask again.")
        finally:
            if stream is not None and hasattr(stream, "close"):
                stream.close()
            self._finish(live, proofs)

    def _fail(self, live: LivePair, reason: str) -> None:
        for arm in ARMS:
            if not live.drafts[arm].done:
                live.take(Failed(arm, reason))

    def _save(self, live: LivePair, proofs: dict[Arm, Provenance]) -> None:
        for arm in ARMS:
            self._pairs.save_answer(live.pair.id, arm, live.answer(arm), proofs[arm])

    def _finish(self, live: LivePair, proofs: dict[Arm, Provenance]) -> None:
        try:
            self._save(live, proofs)
        except Exception:
            log.exception("Pair %s could not be stored", live.pair.id)
            reason = "The answer could not be stored, so it cannot be rated. Is the disk full?"
            for arm in ARMS:
                live.take(Failed(arm, reason))
        finally:
            live.finished.set()
            with self._lock:
                self._live.pop(live.pair.id, None)

    def stop(self, user: User, pair_id: int | None) -> None:
        """End a running answer of this user; what was said is kept. Nothing happens if none is running."""
        with self._lock:
            live = self._live.get(pair_id) if pair_id is not None else None
        if live is not None and live.pair.user_id == user.id:
            live.cancel.set()

    def stop_all(self) -> None:
        """At shutdown: end every running answer and give its thread a moment to store it."""
        with self._lock:
            running = list(self._live.values())
        for live in running:
            live.cancel.set()
        for live in running:
            live.finished.wait(timeout=2)

    def conversation(self, user: User, conversation_id: int) -> list[PairView]:
        """Every turn of a stored conversation, oldest first, arms hidden where they must be."""
        return [stored_view(pair) for pair in self._owned(user, conversation_id)]

    def latest(self, user: User) -> list[PairView]:
        """The turns of the user's newest conversation, or none."""
        recent = self._pairs.recent(user.id, limit=1)
        return self.conversation(user, recent[0].conversation_id) if recent else []


def _require_same_adapter(last: Pair, adapter_sha256: str) -> None:
    """One conversation is with one fine-tuned model, or its second turn would rest on another's first."""
    stored = last.answers.get(Arm.FINETUNED)
    if stored is not None and stored.provenance.model.adapter_sha256 != adapter_sha256:
        raise MedReasonError(
            "The fine-tuned model was changed after this conversation began. Press New conversation, then ask."
        )
