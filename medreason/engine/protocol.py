"""What every engine does, and the state it can be seen in. Importing this loads no torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Event
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling


class Phase(StrEnum):
    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class EngineState:
    """`message` is one plain sentence; `progress` goes from 0 to 1 while loading. `arms` are those that
    can answer: both, or the baseline alone where no adapter is loaded."""

    phase: Phase
    message: str = ""
    progress: float = 0.0
    arms: tuple[Arm, ...] = ()


class Engine(Protocol):
    """One base model with at most one adapter, asked as two arms.

    `load`, `unload` and `switch_adapter` wait for running answers. They raise `MedReasonError` in plain
    words, and leave `state` FAILED where nothing can be asked any more.
    """

    @property
    def state(self) -> EngineState: ...

    @property
    def provenance(self) -> ModelProvenance:
        """What is loaded; raises `NotReady` before it is."""
        ...

    @property
    def at_once(self) -> int:
        """How many pairs it answers at once and gains by it; at least one. A further one waits its turn."""
        ...

    def load(self) -> None: ...

    def unload(self) -> None: ...

    def switch_adapter(self, adapter: Path | None) -> None:
        """Use another adapter, or none, on the same base. A refused adapter leaves the old one in use."""
        ...

    def ask_pair(
        self, conversation: Conversation, sampling: Sampling, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        """Stream both arms' answers. Where the conversation holds answers that were begun, each arm goes on from
        exactly what it had said, and one for which `conversation.goes_on` is false gives no event; counts and
        times are then those of what is added. `cancelled` is read between steps; when it turns true both arms end
        with finish CANCELLED. Closing the iterator early also frees the engine. A fault in this request
        ends it with `Failed` events and leaves the next request right."""
        ...
