"""The engine that holds the weights itself: one base, at most one adapter, both arms as rows of one batch.

Several requests are answered at once, each row of them in a place of the batch; one thread works with the model.
Knows nothing of users, pages or the store. Importing this file loads torch.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from medreason.domain.answers import Answer
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Event
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling
from medreason.engine.compiled_ahead import Ahead, wanted_for
from medreason.engine.decoder import Decoder, Row
from medreason.engine.engine_thread import EngineThread
from medreason.engine.faults import plain
from medreason.engine.levers import ALL, Levers
from medreason.engine.prompts import prompt_of, too_long
from medreason.engine.protocol import EngineState, Phase
from medreason.engine.request import Opening, Request
from medreason.engine.self_test import SelfTestFailed
from medreason.engine.served import NotPutBack, Served
from medreason.errors import MedReasonError, NotReady
from medreason.folder import DataFolder
from medreason.models.base import LoadedBase, load_base, resolve_base
from medreason.models.gpu_lock import COMPARE, GpuLock

log = logging.getLogger(__name__)

LONGEST_COMPILING_S = 10.0  # before the weights are loaded; where it takes longer it goes on beside


class LocalEngine:
    """Implements `engine.protocol.Engine`. Making it is cheap; `load` does the work."""

    def __init__(
        self,
        base: str,
        revision: str,
        quantization: str,
        folder: DataFolder,
        adapter: Path | None,
        levers: Levers = ALL,
    ):
        self._asked_for = (base, revision, folder, quantization)
        self._first_adapter = adapter
        self._levers = levers
        self._gpu = GpuLock(folder)
        self._state = EngineState(Phase.UNLOADED, "No model is loaded.")
        self._served: Served | None = None
        self._thread = EngineThread(self)

    @property
    def state(self) -> EngineState:
        return self._state

    @property
    def provenance(self) -> ModelProvenance:
        return self._in_memory().provenance

    @property
    def at_once(self) -> int:
        decoder = self.decoder
        if decoder is None or not decoder.joins:
            return 1
        return max(1, decoder.most_rows // max(1, len(self._state.arms)))

    def load(self) -> None:
        """Load the base and put the adapter on. An adapter that does not fit leaves the baseline alone
        ready, with the reason as the state's message; a failed self-test leaves nothing ready."""
        self._thread.order(self._load_or_fail)

    def unload(self) -> None:
        self._thread.order(lambda: self._drop(EngineState(Phase.UNLOADED, "No model is loaded.")))

    def switch_adapter(self, adapter: Path | None) -> None:
        self._thread.order(lambda: self._switch(adapter))

    def ask_pair(
        self, conversation: Conversation, sampling: Sampling, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        return self.ask(conversation, sampling, cancelled)

    def ask(
        self,
        conversation: Conversation,
        sampling: Sampling,
        cancelled: Callable[[], bool],
        arms: tuple[Arm, ...] | None = None,
    ) -> Iterator[Event]:
        """As `ask_pair`, of some arms only."""
        request = Request(conversation, sampling, cancelled, arms)
        self._thread.enter(request)
        yield from request.events(lambda: self._state.arms)

    # What follows runs in the engine's thread.

    @property
    def decoder(self) -> Decoder | None:
        return self._served.decoder if self._served is not None and self._state.phase is Phase.READY else None

    def settled(self) -> bool:
        """Whether nobody is being answered and nothing is left to prepare; may be asked from any thread."""
        return self._thread.settled

    @property
    def stops(self) -> frozenset[int]:
        return self._in_memory().stops

    def arms_of(self, request: Request) -> tuple[Arm, ...]:
        return request.among(self._state.arms)

    def open(self, request: Request) -> list[Row]:
        if self._state.phase is not Phase.READY:
            raise NotReady(self._state.message or "No model is loaded.")
        served, sampling = self._in_memory(), request.sampling
        openings, rows = {}, {}
        for arm in self.arms_of(request):
            tokens, opened, begun = prompt_of(served.base, request.conversation, arm, sampling.thinking)
            openings[arm] = Opening(served.base.tokenizer, len(tokens), opened, served.provenance, begun)
            said = request.conversation.begun_by(arm) or Answer()
            rows[Row(tokens, arm is Arm.FINETUNED, sampling, said.counts.said)] = arm
        longest = max(len(row.prompt) for row in rows)
        refusal = too_long(served.base, longest, sampling.max_new_tokens)
        if refusal:
            request.fail(refusal, tuple(openings))
            return []
        request.begin(openings, rows)
        return list(rows)

    def lost(self) -> None:
        try:
            self._drop(EngineState(Phase.FAILED, "The GPU answers no more after a fault. Restart the app."))
        except RuntimeError:
            log.exception("The memory of the GPU could not be given back")

    def _in_memory(self) -> Served:
        if self._served is None:
            raise NotReady(self._state.message or "No model is loaded.")
        return self._served

    def _load_or_fail(self) -> None:
        try:
            self._load()
        except MedReasonError as fault:
            self._drop(EngineState(Phase.FAILED, str(fault)))
            raise
        except Exception as fault:
            log.exception("Loading the model failed")
            sentence = f"The model could not be loaded: {plain(fault)}"
            self._drop(EngineState(Phase.FAILED, sentence))
            raise MedReasonError(sentence) from fault

    def _load(self) -> None:
        self._drop(EngineState(Phase.LOADING, "Looking for the model…"))
        if torch.cuda.is_available():
            self._gpu.take(COMPARE)
        ahead = self._compile_ahead()
        base = self._load_base(ahead)
        self._report(0.96, "Testing that the baseline is the baseline…")
        served = Served(base, self._levers, ahead)
        message = ""
        if self._first_adapter is None:
            served.wear(None)
        else:
            try:
                served.wear(served.read(self._first_adapter))
            except SelfTestFailed:
                raise
            except MedReasonError as fault:
                log.info("The adapter was not loaded: %s", fault)
                message = f"{fault} The baseline answers alone."
                served.wear(None)
        self._served = served
        self._ready(message)

    def _compile_ahead(self) -> Ahead | None:
        levers = self._levers
        if not (torch.cuda.is_available() and levers.own_layers and levers.compiled):
            return None
        source, adapter = resolve_base(*self._asked_for), self._first_adapter
        return Ahead(lambda: wanted_for(source, adapter))

    def _load_base(self, ahead: Ahead | None) -> LoadedBase:
        meanwhile = partial(self._wait_for, ahead) if ahead is not None else None
        return load_base(resolve_base(*self._asked_for), self._report, meanwhile)

    def _wait_for(self, ahead: Ahead) -> None:
        self._report(0.6, "Preparing this GPU for the model…")
        ahead.wait(LONGEST_COMPILING_S)

    def _report(self, share: float, message: str) -> None:
        self._state = EngineState(Phase.LOADING, message, share)

    def _ready(self, message: str = "") -> None:
        arms = ARMS if self._in_memory().adapter else (Arm.BASELINE,)
        self._state = EngineState(Phase.READY, message or "Ready.", 1.0, arms)

    def _switch(self, adapter: Path | None) -> None:
        served = self._in_memory()
        try:
            served.wear(served.read(adapter) if adapter is not None else None)
        except MedReasonError:
            raise
        except NotPutBack as fault:
            log.exception("The adapter in use before could not be put back")
            self._drop(EngineState(Phase.FAILED, f"{plain(fault.__cause__ or fault)} Restart the app."))
            raise MedReasonError(self._state.message) from fault
        except Exception as fault:
            log.exception("Switching to the adapter %s failed", adapter)
            raise MedReasonError(f"The adapter {adapter} could not be loaded: {plain(fault)}") from fault
        self._ready()

    def _drop(self, state: EngineState) -> None:
        self._state = state
        self._served = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._gpu.give_back()
