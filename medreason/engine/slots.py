"""The places of a batch: which row stands where, and the tensors that say what each place does next.

The tensors stay where they are, so that a captured graph can read them. Rows stand at the front without gaps.
"""

from collections.abc import Sequence

import torch

from medreason.engine.decoder import Row
from medreason.engine.sampler import Settings


class Slots:
    """`token` [slots] is what each place reads next, `cell` [slots] where its keys go, `acting` [slots, 1]
    whether the adapter acts there, `alive` [slots] 1 where a row stands; `lengths` is `cell` as the host knows
    it."""

    def __init__(self, most: int, dtype: torch.dtype, device: torch.device):
        self.device = device
        self.rows: list[Row | None] = [None] * most
        self.lengths = [0] * most
        self.token = torch.zeros(most, dtype=torch.int64, device=device)
        self.cell = torch.zeros(most, dtype=torch.int64, device=device)
        self.alive = torch.zeros(most, dtype=torch.int64, device=device)
        self.acting = torch.zeros(most, 1, dtype=dtype, device=device)
        self.settings = Settings(most, device)

    @property
    def taken(self) -> list[int]:
        return [slot for slot, row in enumerate(self.rows) if row is not None]

    @property
    def front(self) -> int:
        """How many places from the first hold every row."""
        return max(self.taken, default=-1) + 1

    def at_front(self, count: int) -> list[int]:
        """The first `count` free places."""
        return [slot for slot, row in enumerate(self.rows) if row is None][:count]

    def put(self, slots: Sequence[int], rows: Sequence[Row], drawn: torch.Tensor) -> None:
        """Rows whose prompts are read, with the first token drawn for each."""
        for slot, row in zip(slots, rows, strict=True):
            self.rows[slot] = row
            self.lengths[slot] = len(row.prompt)
            self.cell[slot] = len(row.prompt)
            self.alive[slot] = 1
            self.acting[slot] = float(row.adapted)
            self.settings.count[slot] += 1
        self.token[torch.tensor(slots, device=self.device)] = drawn

    def advance(self, count: int, drawn: torch.Tensor) -> None:
        """The first `count` places have read their token and drawn another."""
        self.token[:count] = drawn
        self.cell[:count] += self.alive[:count]
        self.settings.count[:count] += 1
        for slot in range(count):
            self.lengths[slot] += self.rows[slot] is not None

    def free(self, row: Row) -> None:
        if row in self.rows:
            slot = self.rows.index(row)
            self.rows[slot] = None
            self.lengths[slot] = 0
            self.cell[slot] = self.alive[slot] = 0

    def move(self, source: int, target: int) -> None:
        """The row at `source` stands at `target` from now on."""
        for values in (self.token, self.cell, self.alive, self.acting):
            values[target] = values[source]
        self.settings.move(source, target)
        self.rows[target], self.lengths[target] = self.rows[source], self.lengths[source]
        self.rows[source], self.lengths[source] = None, 0
        self.cell[source] = self.alive[source] = 0
