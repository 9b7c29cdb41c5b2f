"""Keys and values of the rows being decoded: one place a row in every layer, as many cells long as the longest
needs.

A cell that a row does not look at still counts with weight nought, and nought times NaN is NaN: a place is wiped
before a row takes it.
"""

import torch
from torch import Tensor


class Cache:
    """Grows by copying, a layer at a time, so that hardly more than the new size is ever in memory. Growing moves
    the tensors."""

    def __init__(self, layers: int, key_heads: int, head_size: int, dtype: torch.dtype, device: torch.device):
        self._heads, self._size = key_heads, head_size
        self._kind = {"dtype": dtype, "device": device}
        self._layers = [(self._empty(0, 0), self._empty(0, 0)) for _ in range(layers)]
        self.slots = self.length = 0

    def _empty(self, slots: int, length: int) -> Tensor:
        return torch.zeros(slots, self._heads, length, self._size, **self._kind)  # type: ignore[call-overload]

    def grow(self, slots: int, length: int) -> None:
        """Room for this many rows of this many cells. After a fault some layers have moved and others not; what
        was kept is still right, and it may be called again."""
        slots, length = max(slots, self.slots), max(length, self.length)
        if (slots, length) == (self.slots, self.length):
            return
        for number, layer in enumerate(self._layers):
            if layer[0].shape[0] < slots or layer[0].shape[2] < length:
                for part in (0, 1):
                    larger = self._empty(slots, length)
                    old = self._layers[number][part]
                    larger[: old.shape[0], :, : old.shape[2]] = old
                    pair = list(self._layers[number])
                    pair[part] = larger
                    self._layers[number] = (pair[0], pair[1])
                    del old
        self.slots, self.length = slots, length

    def shrink(self, slots: int, length: int) -> None:
        """Forget everything and keep this much room."""
        self._layers = [(self._empty(0, 0), self._empty(0, 0)) for _ in self._layers]
        self.slots = self.length = 0
        self.grow(slots, length)

    def view(self, rows: int, window: int) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the first `rows` places and `window` cells, a pair a layer."""
        return [(keys[:rows, :, :window], values[:rows, :, :window]) for keys, values in self._layers]

    def place(self, slots: Tensor, kept: list[tuple[Tensor, Tensor]]) -> None:
        """Put prompts' keys and values at the start of these places, and wipe the rest of them."""
        for (keys, values), (new_keys, new_values) in zip(self._layers, kept, strict=True):
            length = new_keys.shape[2]
            keys[slots, :, :length] = new_keys
            values[slots, :, :length] = new_values
            values[slots, :, length:] = 0

    def move(self, source: int, target: int) -> None:
        for keys, values in self._layers:
            keys[target] = keys[source]
            values[target] = values[source]
