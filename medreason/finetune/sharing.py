"""Which rows each of several processes reads: the batches of one process, dealt out one to each in turn.

The library gives every process as many by repeating rows, which would be learned and measured twice. Here a blank
row, of which nothing is learned, fills up instead, so a step learns what it would have learned in one process.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler

from medreason.finetune.examples import IGNORED


def with_blank(rows: Sequence[dict[str, list[int]]]) -> list[dict[str, list[int]]]:
    """The rows, and a blank one behind them."""
    blank = {"input_ids": rows[0]["input_ids"][:1], "labels": [IGNORED]}
    if "seq_lengths" in rows[0]:
        blank["seq_lengths"] = [1]
    return [*rows, blank]


class Dealt(Sampler[int]):
    """The order of `rows` rows for all processes, filled up with the blank one behind them to a multiple of
    `fill`. With a `seed` they are shuffled in each pass, as the library does for one process."""

    def __init__(self, rows: int, fill: int, seed: int | None = None):
        self.rows, self.seed = rows, seed
        self.blanks = -rows % fill
        self.epoch = 0

    def __len__(self) -> int:
        return self.rows + self.blanks

    def __iter__(self) -> Iterator[int]:
        yield from self._order()
        yield from [self.rows] * self.blanks
        self.epoch += 1

    def _order(self) -> list[int]:
        if self.seed is None:
            return list(range(self.rows))
        generator = torch.Generator()
        generator.manual_seed(self.seed + self.epoch)
        return torch.randperm(self.rows, generator=generator).tolist()

    def set_epoch(self, epoch: int) -> None:
        """Called by the library before each pass."""
        self.epoch = epoch


def dealt(dataset: Any, batch: int, count: int, seed: int | None = None) -> Dealt:
    """The sampler of a data set made `with_blank`, for batches of `batch` rows and `count` processes."""
    return Dealt(len(dataset) - 1, batch * count, seed)
