"""Draws one token a row on the device, each row by its own settings, so that a captured graph can replay it.

The noise of a draw is a hash of seed, place in the answer and token: the same seed draws the same tokens
whoever shares the batch, and both sides of a pair meet the same noise. Added to the logits as Gumbel noise, its
highest sum is a draw from the softmax.

Order of the filters: temperature, top-k, top-p over what top-k left, min-p. Tokens as likely as the last one kept
are kept too, so that nothing hangs on how equals were sorted.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from medreason.domain.sampling import Sampling

UNUSABLE = -1  # in place of a token: the row's logits hold no usable numbers
CANDIDATES = (64, 1024)
EVERY = 1 << 30
MASK = 0xFFFFFFFF


def reach(rows: Sequence[Sampling]) -> int:
    """How many of the likeliest tokens have to be put in order for every row: none where all are greedy, and
    `EVERY` where one draws from the whole vocabulary."""
    drawn = [row.top_k or EVERY for row in rows if not row.greedy]
    if not drawn:
        return 0
    return next((few for few in CANDIDATES if max(drawn) <= few), EVERY)


class Settings:
    """The sampling settings of every slot, as tensors [slots] that stay where they are. `count` is how many tokens
    the answer in the slot has, so that one that is continued goes on with the noise that would have come."""

    def __init__(self, slots: int, device: torch.device):
        whole: dict[str, Any] = {"dtype": torch.int64, "device": device}
        real: dict[str, Any] = {"dtype": torch.float32, "device": device}
        self.temperature = torch.zeros(slots, **real)
        self.top_p = torch.ones(slots, **real)
        self.min_p = torch.zeros(slots, **real)
        self.top_k = torch.zeros(slots, **whole)
        self.seed = torch.zeros(slots, **whole)
        self.count = torch.zeros(slots, **whole)

    def put(self, slot: int, sampling: Sampling, said: int = 0) -> None:
        self.temperature[slot] = sampling.temperature
        self.top_p[slot] = sampling.top_p
        self.min_p[slot] = sampling.min_p
        self.top_k[slot] = sampling.top_k
        self.seed[slot] = sampling.seed
        self.count[slot] = said

    def move(self, source: int, target: int) -> None:
        for values in vars(self).values():
            values[target] = values[source]

    def of(self, slots: slice | Sequence[int]) -> "Settings":
        """The settings of some slots: views where `slots` is a slice, copies otherwise."""
        some = object.__new__(Settings)
        for name, values in vars(self).items():
            setattr(some, name, values[slots])
        return some


def draw(logits: Tensor, settings: Settings, candidates: int) -> Tensor:
    """One token a row [rows] from `logits` [rows, vocabulary] in float32; `UNUSABLE` where a row has none.
    `candidates` is what `reach` says of the rows."""
    likeliest = logits.argmax(-1)
    best = logits.gather(1, likeliest[:, None])
    usable = torch.isfinite(best[:, 0])
    if not candidates:
        return torch.where(usable, likeliest, UNUSABLE)
    if candidates < logits.shape[-1]:
        values, tokens = logits.topk(candidates)
    else:
        values, tokens = logits.sort(descending=True)
    scaled = (values - best) / settings.temperature[:, None].clamp(min=1e-5)
    allowed = _allowed(scaled, settings)
    noise = gumbel(settings.seed[:, None], settings.count[:, None], tokens)
    place = torch.where(allowed, scaled + noise, -torch.inf).argmax(-1, keepdim=True)
    drawn = tokens.gather(1, place)[:, 0]
    drawn = torch.where(settings.temperature > 0, drawn, likeliest)
    return torch.where(usable, drawn, UNUSABLE)


def _allowed(scaled: Tensor, settings: Settings) -> Tensor:
    """Which of the ordered candidates [rows, candidates] may be drawn. `scaled` falls along each row."""
    last = scaled.shape[-1] - 1
    top_k = torch.where(settings.top_k > 0, settings.top_k - 1, last).clamp(max=last)
    allowed = scaled >= scaled.gather(1, top_k[:, None])
    shares = torch.softmax(torch.where(allowed, scaled, -torch.inf), dim=-1)
    # The smallest set of likeliest tokens that reaches top-p; the first is always in it.
    before = shares.cumsum(-1) - shares
    within = (before < settings.top_p[:, None]).sum(-1, keepdim=True) - 1
    allowed &= (scaled >= scaled.gather(1, within.clamp(min=0))) | (settings.top_p[:, None] >= 1)
    return allowed & (shares >= settings.min_p[:, None] * shares[:, :1])


def gumbel(seed: Tensor, count: Tensor, token: Tensor) -> Tensor:
    """Gumbel noise in float32, a function of three whole numbers and of nothing else; shapes broadcast."""
    mixed = _mix(token ^ _mix(count ^ _mix(seed + 0x9E3779B9)))
    # 23 bits and a half lie exactly between 0 and 1 in float32; with more, the largest would round to 1.
    uniform = ((mixed >> 9).float() + 0.5) * 2.0**-23
    return -torch.log(-torch.log(uniform))


def _mix(value: Tensor) -> Tensor:
    """A hash of 32 bits (the constants are those of Wellons' lowbias32), in 64-bit numbers: torch has no unsigned
    products, and the low half of a wrapped product is right."""
    value = value & MASK
    value = ((value ^ (value >> 16)) * 0x7FEB352D) & MASK
    value = ((value ^ (value >> 15)) * 0x846CA68B) & MASK
    return value ^ (value >> 16)
