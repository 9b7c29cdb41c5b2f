"""The state of every random number generator that training draws from, so that it can be put back."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class RandomState:
    """The generators of Python, numpy, torch on the CPU and torch on the GPU as they stood."""

    python: tuple[Any, ...]
    numpy: Any
    cpu: torch.Tensor
    gpu: torch.Tensor | None

    @classmethod
    def now(cls) -> "RandomState":
        gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), gpu)

    def as_dict(self) -> dict[str, Any]:
        """In what `torch.load` reads without running code."""
        name, keys, *more = self.numpy
        return {
            "python": self.python,
            "numpy": (name, torch.from_numpy(keys.astype(np.int64)), *more),
            "cpu": self.cpu,
            "gpu": self.gpu,
        }

    @classmethod
    def of_dict(cls, found: dict[str, Any]) -> "RandomState":
        name, keys, *more = found["numpy"]
        return cls(found["python"], (name, keys.numpy().astype(np.uint32), *more), found["cpu"], found["gpu"])

    def restore(self) -> None:
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        if self.gpu is not None:
            torch.cuda.set_rng_state(self.gpu)


@contextmanager
def kept_random_state() -> Iterator[None]:
    """What happens inside draws no number that is missed afterwards."""
    before = RandomState.now()
    try:
        yield
    finally:
        before.restore()
