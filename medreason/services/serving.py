"""Which model answers: loads it behind the page, tells how far it is, switches adapters.

Does not know what is asked or who rates it. The engine is made in the loading thread, so that opening
the page does not wait for torch.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.arms import Arm
from medreason.domain.provenance import ModelProvenance
from medreason.domain.user import Action, User
from medreason.engine.protocol import Engine, EngineState, Phase
from medreason.errors import MedReasonError, NotAllowed, NotFound, NotReady

log = logging.getLogger(__name__)

PUT_AWAY = "The model was put away so that training can use the GPU. Press Load the model."


@dataclass(frozen=True)
class AdapterChoice:
    """An adapter that can be compared: `key` names it in forms and never holds a path."""

    key: str
    label: str
    path: Path


class Serving:
    """Owns the one engine of the app. Thread-safe: `state` may be read at any time."""

    def __init__(
        self,
        make_engine: Callable[[], tuple[Engine, str]],
        find_adapters: Callable[[], list[AdapterChoice]],
        sent_to: str = "",
    ):
        """`make_engine` gives the engine, not loaded yet, and the key of the adapter it begins with. `sent_to`
        names the server that questions are sent to, where there is one."""
        self.sent_to = sent_to
        self._make_engine = make_engine
        self._find_adapters = find_adapters
        self._engine: Engine | None = None
        self._failure = ""
        self._switching = threading.Lock()
        self._adapter = self._first = ""
        self._put_away = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._people, self._counting = 0, threading.Lock()

    def start_loading(self) -> None:
        """Load in a thread of its own, with the adapter that was in use before; returns at once. Nothing happens
        while it loads or once it is loaded. A failed load is told by `state`, and may be tried again."""
        with self._starting:
            loading = self._thread is not None and self._thread.is_alive()
            if loading or self.state.phase is Phase.READY:
                return
            self._failure, self._put_away = "", False
            self._thread = threading.Thread(target=self._load, name="load-model", daemon=True)
            self._thread.start()

    def release(self, user: User) -> None:
        """Put the model away, so that training can have the GPU; waits for running answers, and for a load that
        has begun. New questions are refused with the sentence of `state` until `start_loading`."""
        user.require(Action.TRAIN)
        with self._starting, self._switching:
            if self._thread is not None:
                self._thread.join()
            self._failure, self._put_away = "", True
            if self._engine is not None:
                self._engine.unload()

    def _load(self) -> None:
        try:
            wanted = self._adapter
            if self._engine is None:
                self._engine, self._adapter = self._make_engine()
                wanted = self._first = self._adapter
            self._adapter = self._first
            self._engine.load()
            if wanted != self._first:
                self._wear_again(self._engine, wanted)
        except MedReasonError as fault:
            self._failure = str(fault)
            log.warning("The model was not loaded: %s", fault)
        except Exception:
            self._failure = (
                "The model could not be loaded because of an unexpected fault; the log says more. "
                "Start again, or choose another model with --base-model."
            )
            log.exception("Loading the model failed")

    def _wear_again(self, engine: Engine, key: str) -> None:
        """The adapter that was in use before the model was put away, where it is still there and still fits."""
        try:
            path = next((one.path for one in self.adapters() if one.key == key), None)
            if path is not None:
                engine.switch_adapter(path)
                self._adapter = key
        except MedReasonError as fault:
            log.warning("The adapter in use before was not put back: %s", fault)

    @property
    def state(self) -> EngineState:
        engine = self._engine
        if self._failure:
            return EngineState(Phase.FAILED, self._failure)
        if self._put_away and (engine is None or engine.state.phase is Phase.UNLOADED):
            return EngineState(Phase.UNLOADED, PUT_AWAY)
        if engine is None:
            return EngineState(Phase.LOADING, "Starting the model software…", 0.05)
        return engine.state

    def engine(self) -> Engine:
        """The loaded engine; raises `NotReady` with the state's sentence until it can answer."""
        state = self.state
        if self._put_away:
            raise NotReady(PUT_AWAY)
        if self._engine is None or state.phase is not Phase.READY:
            raise NotReady(state.message or "No model is loaded.")
        return self._engine

    @property
    def provenance(self) -> ModelProvenance:
        return self.engine().provenance

    @contextmanager
    def somebody_waits(self) -> Iterator[None]:
        """Within it a person waits for an answer; what is asked behind the page then holds back."""
        with self._counting:
            self._people += 1
        try:
            yield
        finally:
            with self._counting:
                self._people -= 1

    @property
    def room(self) -> int:
        """How many pairs may be asked behind the page at once: as many as the engine gains by, but one place is
        kept free for whoever asks in Compare, and while somebody is answered there, one pair is all."""
        return 1 if self._people else max(1, self.engine().at_once - 1)

    @property
    def adapter(self) -> str:
        """Key of the adapter in use, or empty where the baseline stands alone."""
        return self._adapter if Arm.FINETUNED in self.state.arms else ""

    def adapters(self) -> list[AdapterChoice]:
        """Every adapter on disk, read anew, so that a finished run shows without a restart."""
        return self._find_adapters()

    def adapter_label(self) -> str:
        return next((one.label for one in self.adapters() if one.key == self.adapter), "")

    def switch(self, user: User, key: str) -> None:
        """Compare another adapter; waits for running answers. A refused adapter leaves the old one in use.

        Raises `NotFound` for an unknown key, `NotReady` while nothing is loaded, and whatever the engine
        says of an adapter that does not fit.
        """
        user.require(Action.COMPARE)
        if user.compares_blind_only:
            raise NotAllowed("Your role compares what the lead has chosen. Ask an admin for another role.")
        chosen = next((one for one in self.adapters() if one.key == key), None)
        if chosen is None:
            raise NotFound(
                "That adapter is no longer there, or a server holds the models. Choose another from the list."
            )
        with self._switching:
            if key == self.adapter:
                return
            self.engine().switch_adapter(chosen.path)
            self._adapter = key
