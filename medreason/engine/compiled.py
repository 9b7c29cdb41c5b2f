"""One layer's step, compiled once and used for all layers, for every number of rows that is met.

Compiling takes seconds for each number of rows, so it is asked for ahead; the length of the cache is left open.
"""

from typing import Any

import torch
from torch import Tensor

from medreason.engine import own_layer
from medreason.engine.own_layer import Layer, Shape, Step

VARIANTS = 64  # compiled forms of one layer that are kept: numbers of rows, with and without adapter


class CompiledLayer:
    """`ready` holds (rows, adapted) that are compiled. It is called like `own_layer.step`. What one of these has
    compiled serves every other in the process whose layers have the same shapes."""

    def __init__(self, shape: Shape, backend: Any = "inductor"):
        self.ready: set[tuple[int, bool]] = set()
        self._shape = shape
        settings: Any = torch._dynamo.config
        name = "recompile_limit" if hasattr(settings, "recompile_limit") else "cache_size_limit"
        setattr(settings, name, max(VARIANTS, getattr(settings, name)))

        def one(x: Tensor, layer: Layer, keys: Tensor, values: Tensor, at: Step) -> Tensor:
            return own_layer.step(x, layer, keys, values, shape, at)

        # Each number of rows has a form of its own: one for any number would be slower.
        self._one = torch.compile(one, backend=backend, fullgraph=True, dynamic=False)

    def __call__(self, x: Tensor, layer: Layer, keys: Tensor, values: Tensor, shape: Shape, at: Step) -> Tensor:
        # The cache grows: one compiled form serves every length.
        mark: Any = torch._dynamo.maybe_mark_dynamic
        mark(keys, 2)
        mark(values, 2)
        if at.seen is not None:
            mark(at.seen, 3)
        return self._one(x, layer, keys, values, at)

    @torch.no_grad()
    def make(self, layer: Layer, rows: int, adapted: bool, length: int) -> None:
        """Compile for this many rows of a layer such as this one, on cells of its own; raises whatever the
        compiler does."""
        shape = self._shape
        kind: dict[str, Any] = {"dtype": layer.norm.dtype, "device": layer.norm.device}
        keys, values = (torch.zeros(rows, shape.key_heads, length, shape.head_size, **kind) for _ in range(2))
        cells = torch.zeros(rows, dtype=torch.int64, device=layer.norm.device)
        place = (torch.arange(rows, device=layer.norm.device), slice(None), cells)
        cos, sin = (torch.zeros(rows, 1, shape.head_size, **kind) for _ in range(2))
        seen = torch.ones(rows, 1, 1, length, dtype=torch.bool, device=layer.norm.device)
        at = Step(place, seen, cos, sin, torch.ones(rows, 1, **kind) if adapted else None)
        self(torch.zeros(rows, layer.norm.shape[0], **kind), layer, keys, values, shape, at)
        self.ready.add((rows, adapted))
