"""Decodes several prompts side by side, one token a row a step, each row with its own random numbers.

Knows token ids only: not what they say, nor which arm a row is. A finished row leaves the batch, so
that the others go on at their own pace.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from medreason.domain.sampling import Sampling


class NotFinite(RuntimeError):
    """The model's output for a row holds no usable numbers."""


class TokenDraw:
    """Draws one row's tokens. The same seed and settings draw the same way on every row, by one uniform
    number a step put through the row's own distribution."""

    def __init__(self, sampling: Sampling):
        self._sampling = sampling
        self._random = torch.Generator().manual_seed(sampling.seed)

    def next(self, logits: Tensor) -> int:
        logits = logits.float()
        best = logits.max()
        if not bool(torch.isfinite(best)):
            raise NotFinite
        if self._sampling.greedy:
            return int(logits.argmax())
        size = logits.shape[-1]
        kept, tokens = logits.topk(min(self._sampling.top_k or size, size))
        shares = torch.softmax(kept / self._sampling.temperature, dim=-1).cpu().double()
        upto = shares.cumsum(-1)
        if self._sampling.top_p < 1:
            # The smallest set of most likely tokens that reaches top-p; the first is always in it.
            shares = torch.where(upto - shares < self._sampling.top_p, shares, 0.0)
            upto = shares.cumsum(-1)
        point = torch.rand(1, generator=self._random, dtype=torch.float64) * upto[-1]
        place = int(torch.searchsorted(upto, point, right=True))
        return int(tokens[min(place, int(shares.count_nonzero()) - 1)])


class Batch:
    """Rows that are being decoded. `step` gives each row still going its next token's logits; `choose`
    puts the tokens drawn back in; `keep` drops the rows that are done."""

    def __init__(self, model: nn.Module, prompts: Sequence[Sequence[int]], padding: int):
        self._model = model
        device = next(model.parameters()).device
        longest = max(len(prompt) for prompt in prompts)
        # Padding stands on the left, so that every row's next token stands in the last column.
        filled = [[padding] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._next = torch.tensor(filled, device=device)
        self._mask = torch.tensor(mask, device=device)
        self._padded = any(len(prompt) != longest for prompt in prompts)
        self._positions = (self._mask.cumsum(-1) - 1).clamp(min=0)
        self._cache = DynamicCache(config=model.config)

    @torch.inference_mode()
    def step(self) -> Tensor:
        """Logits of the next token, a row each."""
        output = self._model(
            input_ids=self._next,
            # Without padding no mask is needed, and attention takes its faster causal path.
            attention_mask=self._mask if self._padded else None,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, by their places in the batch as it stands."""
        chosen = torch.tensor(list(rows), device=self._next.device)
        self._cache.batch_select_indices(chosen)
        self._next, self._mask = self._next[chosen], self._mask[chosen]
        self._positions = self._positions[chosen]

    @torch.inference_mode()
    def choose(self, tokens: Sequence[int]) -> None:
        """The tokens drawn, one a row; the next step reads them."""
        self._next = torch.tensor([[token] for token in tokens], device=self._next.device)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        self._positions = self._positions[:, -1:] + 1
