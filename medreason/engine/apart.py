"""How far logits of one text lie apart that were computed in two ways, and how far they may.

No two ways of computing a model round alike. How much that matters depends on the weights, the precision and the
machine, so it is measured: transformers' own ways (attention in one kernel, attention spelt out, one token at
a time over a cache) are compared with each other, and twice their distance is allowed. On random Qwen3 models of 2
to 36 layers in bf16, right ways were 0.9 to 1.4 times as far apart as these, and those with an adapter on the
wrong row, or rope or a mask off by one, 2.2 times and more.
"""

from typing import NamedTuple

import torch
from torch import Tensor

TIMES = 2.0
# Allowed in any case, as rounding is a matter of luck where there is little of it.
LEAST = {torch.float32: 0.001, torch.bfloat16: 0.02, torch.float16: 0.02}
# Never allowed: what lies so far apart is not rounding, whatever was measured.
MOST = 0.2
CLEAR = 1.5  # an adapter that does less than so many times the rounding cannot be told from it


class Apart(NamedTuple):
    """`largest` difference as a share of the logits' range; `typical`, the root mean square, as one of their
    spread."""

    largest: float
    typical: float


def apart(found: Tensor, expected: Tensor) -> Apart:
    """Both [places, vocabulary]."""
    difference = found - expected
    return Apart(
        float(difference.abs().max() / (expected.max() - expected.min())),
        float(difference.square().mean().sqrt() / expected.std()),
    )


def further(one: Apart, other: Apart) -> Apart:
    return Apart(max(one.largest, other.largest), max(one.typical, other.typical))


def allowed(rounding: Apart, dtype: torch.dtype) -> Apart:
    """What another way may be apart, where transformers' own ways are `rounding` apart."""
    limits = (min(MOST, max(LEAST[dtype], TIMES * measured)) for measured in rounding)
    return Apart(*limits)


def within(found: Apart, limit: Apart) -> bool:
    return found.largest <= limit.largest and found.typical <= limit.typical  # so that NaN is not


def share_of_adapter(found: Tensor, base: Tensor, adapted: Tensor, rounding: Apart) -> float | None:
    """How much of the way from the base's logits to the adapted ones `found` has gone: 0 without the adapter, 1
    with it. It tells the rows apart where even the wrong one is within what is allowed. None where the adapter
    does hardly more than rounding, so that nothing can be told."""
    if apart(adapted, base).typical < CLEAR * rounding.typical:
        return None
    way = adapted - base
    return float(((found - base) * way).sum() / way.square().sum())
