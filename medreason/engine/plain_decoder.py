"""Decodes through transformers as it is: any family of models, without the speed of the own layer functions.

Rows that came together are one batch with a cache of their own; several batches take turns. Knows token ids only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from medreason.domain.sampling import Sampling
from medreason.engine.decoder import PIECE, Broken, Row
from medreason.engine.few_rows import quicken
from medreason.engine.masked_lora import WornAdapter
from medreason.engine.sampler import Settings, draw, reach
from medreason.models.adapters import AdapterInfo

MOST_ROWS = 8


class PlainDecoder:
    """Implements `decoder.Decoder`."""

    name = "local, plain"
    joins = False
    most_rows = MOST_ROWS

    def __init__(self, model: Any, padding: int):
        quicken(model)
        self._model, self._padding = model, padding
        self._piece = PIECE[model.device.type]
        self._batches: list[Batch] = []
        self._worn: WornAdapter | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for batch in self._batches for row in batch.rows)

    def refusal(self, adapter: AdapterInfo | None) -> str:
        return ""

    def wear(self, adapter: AdapterInfo | None) -> None:
        if self._worn is not None:
            self._worn.take_off()
            self._worn = None
        if adapter is not None:
            self._worn = WornAdapter(self._model, adapter)

    def prefill(self, rows: Sequence[Row]) -> None:
        if len(rows) + len(self.rows) > self.most_rows:
            raise ValueError(f"{len(rows)} rows do not fit beside {len(self.rows)}")
        self._batches.append(Batch(self._model, rows, self._padding))

    @torch.no_grad()
    def step(self) -> list[tuple[Row, int]]:
        for batch in self._batches:
            if batch.given:
                try:
                    self._forward(batch, self._piece)
                except Exception as fault:  # some of its layers have cached the new token, and some not
                    raise Broken(batch.rows) from fault
        return [one for batch in self._batches for one in batch.take()]

    def free(self, row: Row) -> None:
        for batch in self._batches:
            batch.free(row)
        self._batches = [batch for batch in self._batches if batch.rows]

    @torch.no_grad()
    def forced(self, texts: Sequence[Sequence[int]], adapted: Sequence[bool]) -> Tensor:
        half = max(1, len(texts[0]) // 2)
        rows = [Row(text[:half], acts, Sampling(temperature=0)) for text, acts in zip(texts, adapted, strict=True)]
        batch = Batch(self._model, rows, self._padding)
        while batch.unread:  # in two pieces, which are not computed quite alike
            self._forward(batch, -(-half // 2))
        found = [batch.logits]
        for place in range(half, len(texts[0])):
            batch.drawn = torch.tensor([text[place] for text in texts], device=batch.drawn.device)
            self._forward(batch, 1)
            found.append(batch.logits)
        return torch.stack(found, dim=1)

    def rest(self) -> bool:
        return False

    def _forward(self, batch: "Batch", piece: int) -> None:
        try:
            if self._worn is not None:
                self._worn.rows([row.adapted for row in batch.rows])
            batch.forward(piece)
        finally:
            if self._worn is not None:
                self._worn.off()


class Batch:
    """Rows whose prompts are read together. `drawn` [rows] are the newest tokens; `given` whether the caller has
    all there are; `logits` [rows, vocabulary] those they were drawn from."""

    def __init__(self, model: Any, rows: Sequence[Row], padding: int):
        device = model.device
        self.rows = list(rows)
        self.given = True
        self.logits = self.drawn = torch.empty(0, device=device)
        self._model = model
        longest = max(len(row.prompt) for row in rows)
        # Padding stands on the left, so that every row's next token stands in the last column.
        filled = [[padding] * (longest - len(row.prompt)) + list(row.prompt) for row in rows]
        mask = [[0] * (longest - len(row.prompt)) + [1] * len(row.prompt) for row in rows]
        self._tokens = torch.tensor(filled, device=device)
        self._mask = torch.tensor(mask, device=device)
        self._read = 0
        self._padded = any(len(row.prompt) != longest for row in rows)
        self._cache = DynamicCache(config=model.config)
        self._settings = Settings(len(rows), device)
        for place, row in enumerate(rows):
            self._settings.put(place, row.sampling, row.said)

    @property
    def unread(self) -> int:
        """Places of the prompts that are not read yet."""
        return self._tokens.shape[1] - self._read

    def forward(self, piece: int) -> None:
        """Read up to `piece` more places of the prompts; once they are read, draw the next token of every row."""
        if self.unread:
            tokens = self._tokens[:, self._read : self._read + piece]
            mask = self._mask[:, : self._read + tokens.shape[1]]
        else:
            tokens = self.drawn[:, None].clamp(min=0)
            mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], dim=1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        output = self._model(
            input_ids=tokens,
            # Without padding no mask is needed, and attention takes its faster causal path.
            attention_mask=mask if self._padded else None,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        if self.unread:
            self._read += tokens.shape[1]
            if self.unread:
                return
        else:
            self._mask = mask
        self.logits = output.logits[:, -1].float()
        self.drawn = draw(self.logits, self._settings, reach([row.sampling for row in self.rows]))
        self._settings.count += 1
        self.given = False

    def take(self) -> list[tuple[Row, int]]:
        """The drawn tokens, once."""
        if self.given:
            return []
        self.given = True
        return list(zip(self.rows, self.drawn.tolist(), strict=True))

    def free(self, row: Row) -> None:
        """Go on without this row."""
        if row not in self.rows:
            return
        kept = [place for place, one in enumerate(self.rows) if one is not row]
        self.rows = [self.rows[place] for place in kept]
        if kept:
            chosen = torch.tensor(kept, device=self._mask.device)
            self._tokens, self._mask = self._tokens[chosen], self._mask[chosen]
            if self._read:
                self._cache.batch_select_indices(chosen)
            if not self.unread:
                self.drawn = self.drawn[chosen]
            self._settings = self._settings.of(kept)
