"""What a run will need, before it is started: each figure with its formula, and marked as an estimate."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An ERROR blocks the start; a WARNING can be overridden by name."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """Something to know before the start. `key` names it stably; `text` is one plain sentence with the remedy."""

    severity: Severity
    key: str
    text: str


@dataclass(frozen=True)
class Part:
    """One part of an estimate in bytes or seconds: what it is, how much, and the formula with its numbers."""

    what: str
    amount: float
    formula: str


@dataclass(frozen=True)
class Machine:
    """What this computer has; zeros where there is no GPU. Bytes. `gpus` counts the GPUs."""

    gpu_name: str = ""
    gpus: int = 0
    gpu_memory: int = 0
    gpu_memory_free: int = 0
    memory: int = 0
    cores: int = 0
    disk_free: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a run will need. `gpu_memory` and `disk` are bytes, `seconds` a time or None where nothing is known
    to go by; the parts add up to them. Without a GPU, `gpu_memory` is of the computer's own memory. `measured_by`
    names the earlier run that the time goes by, if any. `pass_seconds` is the time of the steps of one whole pass
    over the rows to learn from, however many the run makes."""

    gpu_memory: tuple[Part, ...]
    disk: tuple[Part, ...]
    time: tuple[Part, ...]
    steps: int
    measured_by: str = ""
    pass_seconds: float | None = None

    @property
    def gpu_memory_bytes(self) -> float:
        return sum(part.amount for part in self.gpu_memory)

    @property
    def disk_bytes(self) -> float:
        return sum(part.amount for part in self.disk)

    @property
    def seconds(self) -> float | None:
        return sum(part.amount for part in self.time) if self.time else None
