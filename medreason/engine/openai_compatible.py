"""The engine whose weights a server holds: baseline and fine-tuned are two names of one OpenAI-compatible server.

Both names are asked at the same moment with the same messages, seed, sampling and budget. What is known of the
weights is what the server says of them, and the provenance says so. Takes no GPU of this computer, loads no torch.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from medreason.domain.answers import Counts, Finish, Timings
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Event, Failed, Finished, Started
from medreason.domain.model_server import ModelServer
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling
from medreason.engine.cancellable import LOOK_EVERY_S, stream
from medreason.engine.protocol import EngineState, Phase
from medreason.engine.server_answer import answer
from medreason.engine.server_connection import SILENCE_S, ServerConnection
from medreason.engine.server_fault import ServerLost
from medreason.engine.server_request import request_body
from medreason.engine.server_test import Finding, ServerTestFailed, check_names
from medreason.errors import MedReasonError, NotReady

log = logging.getLogger(__name__)

AT_ONCE = 16
UNLOADED = EngineState(Phase.UNLOADED, "No model is loaded.")


class OpenAICompatibleEngine:
    """Implements `engine.protocol.Engine`. `load` asks and tests the server; nothing is sent before. `key` is used
    in requests alone. After a lost connection the server may have come back with other weights, so the self-test
    runs again before the next question."""

    def __init__(self, server: ModelServer, key: str = "", silence_s: float = SILENCE_S):
        self._server = server
        self._connection = ServerConnection(server, key, silence_s)
        self._state = UNLOADED
        self._found: Finding | None = None
        self._doubted = False
        self._testing = threading.Lock()
        self._running = 0
        self._idle = threading.Condition()

    @property
    def state(self) -> EngineState:
        return self._state

    @property
    def provenance(self) -> ModelProvenance:
        if self._found is None:
            raise NotReady(self._state.message or UNLOADED.message)
        return ModelProvenance(
            base_model=self._found.base.root or self._found.base.name,
            base_revision="",
            base_sha256="",
            adapter=self._server.finetuned,
            adapter_sha256="",
            precision="as served",
            template_sha256="",
            engine="openai",
            self_test=self._found.sentence,
            claimed_by=self._server.words,
        )

    @property
    def at_once(self) -> int:
        """What a server puts into its batches as they come; more would only wait there."""
        return AT_ONCE

    def load(self) -> None:
        self._close(EngineState(Phase.LOADING, f"Reaching {self._server.words}…", 0.05))
        with self._testing:
            try:
                found = self._check(lambda: False)
            except MedReasonError as fault:
                self._state = EngineState(Phase.FAILED, str(fault))
                raise
            except Exception as fault:
                log.exception("Testing the server failed")
                sentence = f"Testing {self._server.words} ended with an unexpected fault; the log says more."
                self._state = EngineState(Phase.FAILED, sentence)
                raise MedReasonError(sentence) from fault
            self._found, self._doubted = found, False
            self._state = EngineState(Phase.READY, "Ready.", 1.0, ARMS)

    def unload(self) -> None:
        self._close(UNLOADED)

    def _close(self, state: EngineState) -> None:
        """Takes no further question, and waits for running answers."""
        with self._idle:
            self._state = state
            self._idle.wait_for(lambda: self._running == 0)
            self._found = None

    def _check(self, cancelled: Callable[[], bool]) -> Finding | None:
        """The self-test; None where `cancelled` came first."""

        async def check(put: Callable[[Finding], None]) -> None:
            put(await check_names(self._connection, self._report))

        found = list(stream(check, cancelled))
        return found[0] if found else None

    def _report(self, share: float, message: str) -> None:
        if self._state.phase is Phase.LOADING:
            self._state = EngineState(Phase.LOADING, message, share)

    def switch_adapter(self, adapter: Path | None) -> None:
        raise MedReasonError(
            f"The models are held by {self._server.words}, which answers for one fine-tuned model, "
            f"{self._server.finetuned}. To compare another, load it there and start MedReason with its name."
        )

    def ask_pair(
        self, conversation: Conversation, sampling: Sampling, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        with self._idle:
            if self._state.phase is not Phase.READY:
                raise NotReady(self._state.message or UNLOADED.message)
            self._running += 1
        try:
            if self._sure(cancelled):
                yield from self._answers(conversation, sampling, cancelled)
            else:
                yield from (_never_begun(arm) for arm in ARMS)
        except MedReasonError as fault:
            yield from (Failed(arm, str(fault)) for arm in ARMS)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _sure(self, cancelled: Callable[[], bool]) -> bool:
        """Tests again where a connection was lost since the last test; False where `cancelled` came first. A
        server that cannot be reached is asked anew by the next question; one that fails the test, no more."""
        while not self._testing.acquire(timeout=LOOK_EVERY_S):
            if cancelled():
                return False
        try:
            if not self._doubted:
                return not cancelled()
            try:
                found = self._check(cancelled)
            except ServerTestFailed as fault:
                if self._state.phase is Phase.READY:
                    self._state = EngineState(Phase.FAILED, str(fault))
                raise
            if found is not None:
                self._found, self._doubted = found, False
            return found is not None
        finally:
            self._testing.release()

    def _answers(
        self, conversation: Conversation, sampling: Sampling, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        model, left_out = self.provenance, self._found.left_out if self._found else frozenset()
        over: set[Arm] = set()

        async def ask(put: Callable[[Event], None]) -> None:
            async with self._connection.client() as client:

                async def one(arm: Arm) -> None:
                    put(Started(arm, model=model))
                    body = request_body(self._server.name(arm), conversation.messages(arm), sampling, left_out)
                    fault = await answer(self._connection, client, arm, body, put)
                    if isinstance(fault, ServerLost):
                        self._doubted = True

                await asyncio.gather(*(one(arm) for arm in ARMS))

        with closing(stream(ask, cancelled)) as events:
            for event in events:
                if isinstance(event, Finished | Failed):
                    over.add(event.arm)
                yield event
        # Cancelled before it was asked.
        yield from (_never_begun(arm) for arm in ARMS if arm not in over)


def _never_begun(arm: Arm) -> Event:
    return Finished(arm, Finish.CANCELLED, Counts(), Timings(), thought=False, closed=False)
