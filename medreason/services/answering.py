"""Runs answers: each in a thread of its own, stored when it begins, while it speaks and at the end.

Whatever happens, what was said is stored and the pair ends. One user takes a few places at most, so that many
tabs of one person hold up nobody else. Does not know who may ask, nor what.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Failed, Started
from medreason.domain.provenance import Provenance
from medreason.domain.sampling import Sampling
from medreason.errors import Busy, MedReasonError
from medreason.services.live_pair import LivePair
from medreason.services.serving import Serving
from medreason.storage.pair import Pair
from medreason.storage.pairs import Pairs

log = logging.getLogger(__name__)

SAVE_EVERY_S = 2.0
RUNNING_A_USER = 3

NO_ADAPTER = "No fine-tuned model is loaded. Choose one above, or make one in Train."


class Answering:
    """Running answers of all users."""

    def __init__(self, serving: Serving, pairs: Pairs):
        self._serving = serving
        self._pairs = pairs
        self._live: dict[int, LivePair] = {}
        self._places: Counter[int] = Counter()
        self._lock = threading.Lock()

    def start(
        self,
        user_id: int,
        begin: Callable[[], Pair],
        conversation: Conversation,
        sampling: Sampling,
        proofs: Mapping[Arm, Provenance],
    ) -> LivePair:
        """Take a place, store the question with `begin`, and start answering it; returns at once. Raises `Busy`,
        with nothing stored, where this user's earlier answers still run."""
        with self._lock:
            if self._places[user_id] >= RUNNING_A_USER:
                raise Busy("Your earlier questions are still being answered. Stop one, or wait for it.")
            self._places[user_id] += 1
        try:
            live = LivePair(begin(), conversation.begun)
            with self._lock:
                self._live[live.pair.id] = live
            threading.Thread(
                target=self._answer,
                args=(live, conversation, sampling, dict(proofs)),
                name=f"answer-{live.pair.id}",
                daemon=True,
            ).start()
        except BaseException:
            self._leave(user_id)
            raise
        return live

    @property
    def running(self) -> int:
        """How many answers are being said just now."""
        return len(self._live)

    def find(self, pair_id: int) -> LivePair | None:
        """The running answer of this pair."""
        with self._lock:
            return self._live.get(pair_id)

    def stop_all(self) -> None:
        """At shutdown: end every running answer and give its thread a moment to store it."""
        with self._lock:
            running = list(self._live.values())
        for live in running:
            live.cancel.set()
        for live in running:
            live.finished.wait(timeout=2)

    def _answer(
        self,
        live: LivePair,
        conversation: Conversation,
        sampling: Sampling,
        proofs: dict[Arm, Provenance],
    ) -> None:
        saved_at = time.monotonic()
        stream = None
        try:
            for arm in ARMS:
                if arm not in self._serving.state.arms and conversation.goes_on(arm):
                    live.take(Failed(arm, NO_ADAPTER))
            self._save(live, proofs)
            with self._serving.somebody_waits():
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
        self._pairs.save_answers(live.pair.id, {arm: (live.answer(arm), proofs[arm]) for arm in ARMS})

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
            self._leave(live.pair.user_id)

    def _leave(self, user_id: int) -> None:
        with self._lock:
            self._places[user_id] -= 1
            if self._places[user_id] <= 0:
                del self._places[user_id]
