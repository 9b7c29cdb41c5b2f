"""Which model answers: loads it behind the page, tells how far it is, switches adapters.

Does not know what is asked or who rates it. The engine is made in the loading thread, so that opening
the page does not wait for torch.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.arms import Arm
from medreason.domain.provenance import ModelProvenance
from medreason.domain.user import Action, User
from medreason.engine.protocol import Engine, EngineState, Phase
from medreason.errors import MedReasonError, NotFound, NotReady

log = logging.getLogger(__name__)


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
    ):
        """`make_engine` gives the engine, not loaded yet, and the key of the adapter it begins with."""
        self._make_engine = make_engine
        self._find_adapters = find_adapters
        self._engine: Engine | None = None
        self._failure = ""
        self._switching = threading.Lock()
        self._adapter = ""
        self._thread: threading.Thread | None = None

    def start_loading(self) -> None:
        """Load in a thread of its own; returns at once. A failed load is told by `state`."""
        self._thread = threading.Thread(target=self._load, name="load-model", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            self._engine, self._adapter = self._make_engine()
            self._engine.load()
        except MedReasonError as fault:
            self._failure = str(fault)
            log.warning("The model was not loaded: %s", fault)
        except Exception:
            self._failure = (
                "The model could not be loaded because of an unexpected fault; the log says more. "
                "Start again, or choose another model with --base-model."
            )
            log.exception("Loading the model failed")

    @property
    def state(self) -> EngineState:
        if self._failure:
            return EngineState(Phase.FAILED, self._failure)
        if self._engine is None:
            return EngineState(Phase.LOADING, "Starting the model software…", 0.05)
        return self._engine.state

    def engine(self) -> Engine:
        """The loaded engine; raises `NotReady` with the state's sentence until it can answer."""
        state = self.state
        if self._engine is None or state.phase is not Phase.READY:
            raise NotReady(state.message or "No model is loaded.")
        return self._engine

    @property
    def provenance(self) -> ModelProvenance:
        return self.engine().provenance

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
        chosen = next((one for one in self.adapters() if one.key == key), None)
        if chosen is None:
            raise NotFound("That adapter is no longer there. Choose another from the list.")
        with self._switching:
            if key == self.adapter:
                return
            self.engine().switch_adapter(chosen.path)
            self._adapter = key
