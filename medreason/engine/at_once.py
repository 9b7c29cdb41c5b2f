"""Puts many questions to an engine, several of them at once, and gives what was said as each one ends.

Where an engine answers several requests in one batch, or a server does, this is what fills the batch. A fault of
one question is that question's answer and leaves the others. Importing this loads no torch.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Draft, Failed, Started
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling
from medreason.engine.protocol import Engine
from medreason.errors import MedReasonError, NotReady

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
UNEXPECTED = "The answer stopped because of an unexpected fault, which was written to the log."

K = TypeVar("K")


@dataclass(frozen=True)
class Question(Generic[K]):
    """`key` is what the asker knows it by."""

    key: K
    conversation: Conversation
    sampling: Sampling


@dataclass(frozen=True)
class Said(Generic[K]):
    """What both arms said to one question, and which model answered as which arm."""

    key: K
    answers: dict[Arm, Answer]
    models: dict[Arm, ModelProvenance]

    @property
    def failed(self) -> bool:
        """Whether no arm has ended in a usable way."""
        return all(answer.finish is Finish.FAILED for answer in self.answers.values())

    @property
    def cancelled(self) -> bool:
        return any(answer.finish is Finish.CANCELLED for answer in self.answers.values())


def ask_many(
    engine: Engine,
    questions: Sequence[Question[K]],
    arms: Sequence[Arm],
    room: Callable[[], int],
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Said[K]]:
    """Ask them in their order, at most `room()` at the same time (looked at again before each one, at least one),
    and yield each as it ends. Once `stopped` turns true no other is begun, those that run are cancelled, and only
    what had ended by itself still comes. Raises `NotReady` where the engine can answer nothing any more, once
    what was running has ended. Closing the iterator cancels what runs, and waits for it."""
    ended: queue.SimpleQueue[Said[K] | Exception] = queue.SimpleQueue()
    closing = threading.Event()
    refusal: Exception | None = None
    waiting, running = list(reversed(questions)), 0

    def cancelled() -> bool:
        return closing.is_set() or stopped()

    def begin(question: Question[K]) -> None:
        def work() -> None:
            try:
                ended.put(_ask(engine, question, arms, cancelled))
            except Exception as fault:
                ended.put(fault)

        threading.Thread(target=work, name=f"ask-{question.key}", daemon=True).start()

    try:
        while True:
            while waiting and running < max(1, room()) and not refusal and not cancelled():
                begin(waiting.pop())
                running += 1
            if not running:
                break
            try:
                said = ended.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            running -= 1
            if isinstance(said, Exception):
                refusal = said
            elif not (cancelled() and said.cancelled):
                yield said
        if refusal is not None and not cancelled():
            raise refusal
    finally:
        closing.set()
        while running:
            ended.get()
            running -= 1


def _ask(engine: Engine, question: Question[K], arms: Sequence[Arm], cancelled: Callable[[], bool]) -> Said[K]:
    drafts = {arm: Draft(arm) for arm in arms}
    models = dict.fromkeys(arms, engine.provenance)
    try:
        for event in engine.ask_pair(question.conversation, question.sampling, cancelled):
            if event.arm in drafts:
                drafts[event.arm].take(event)
            if isinstance(event, Started) and event.model is not None:
                models[event.arm] = event.model
    except NotReady:
        raise
    except MedReasonError as fault:
        _fail(drafts, str(fault))
    except Exception:
        log.exception("A question failed")
        _fail(drafts, UNEXPECTED)
    return Said(question.key, {arm: draft.answer() for arm, draft in drafts.items()}, models)


def _fail(drafts: dict[Arm, Draft], reason: str) -> None:
    for arm, draft in drafts.items():
        if not draft.done:
            draft.take(Failed(arm, reason))
