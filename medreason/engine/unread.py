"""Rows whose prompts are not wholly read yet: a piece is read between two steps, so that a long prompt holds up
nobody who is being answered.

What is read lies apart from the cache until all of it is there. Knows nothing of layers, places or sampling.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from medreason.engine.decoder import Row
from medreason.engine.own_model import Kept, OwnModel


class Unread:
    """Rows with prompts of one length, read together and without padding. A row that gives up stays among `all`
    and is no more among `rows`."""

    def __init__(self, rows: Sequence[Row], model: OwnModel):
        self.all = tuple(rows)
        self.rows = list(rows)
        self._model = model
        self._prompts = torch.tensor([list(row.prompt) for row in rows], device=model.device)
        self._read = 0
        self._kept: list[Kept] = []
        self._acting: Tensor | None = None
        if any(row.adapted for row in rows):
            switches = [[float(row.adapted)] for row in rows]
            self._acting = torch.tensor(switches, device=model.device, dtype=model.dtype)

    @property
    def left(self) -> int:
        """Tokens of each prompt that are not read yet."""
        return self._prompts.shape[1] - self._read

    def read(self, most: int) -> Tensor:
        """Read up to `most` more tokens of each prompt; gives the logits [all, vocabulary] after the last of
        them."""
        end = min(self._read + most, self._prompts.shape[1])
        logits, self._kept = self._model.read(self._prompts[:, self._read : end], self._acting, self._kept)
        self._read = end
        return logits

    def kept(self) -> list[Kept]:
        """Keys and values of `rows`, a pair a layer."""
        if len(self.rows) == len(self.all):
            return self._kept
        chosen = torch.tensor([self.all.index(row) for row in self.rows], device=self._model.device)
        return [(keys[chosen], values[chosen]) for keys, values in self._kept]

    def of_rows(self, logits: Tensor) -> Tensor:
        """The logits that belong to `rows`."""
        chosen = [self.all.index(row) for row in self.rows]
        return logits if len(chosen) == len(self.all) else logits[chosen]
