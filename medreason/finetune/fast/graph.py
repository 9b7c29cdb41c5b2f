"""All layers of a model as two CUDA graphs, forwards and backwards: a row then starts with two calls instead of
some ten thousand, for which a fast GPU would wait.

A graph works at fixed places on a fixed number of tokens. So a shorter row is filled up with documents of its own,
through which no gradient flows, and what the layers keep for the way back stays taken between rows. Knows nothing
of autograd, which `trunk` tells of it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from medreason.finetune.fast import attention
from medreason.finetune.fast.attention import Documents, FlashKept, Heads
from medreason.finetune.fast.layer import OwnLayer
from medreason.finetune.fast.steps import by_autograd

APART = 0.05
"""Of all gradients together: attention adds up in another order from time to time, which moved single ones by
0.007 (measured on an H200 with three layers)."""


@dataclass(frozen=True)
class Room:
    """What a batch holds at most: tokens, documents once it is filled up, and tokens of one document."""

    tokens: int
    documents: int
    longest: int

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], batch: int) -> "Room":
        """Of batches of `batch` of these packed rows, each given by the lengths of its documents."""
        tokens = batch * max(sum(row) for row in rows)
        longest = max(max(row) for row in rows)
        documents = batch * max(len(row) for row in rows) + math.ceil(tokens / longest)
        return cls(tokens, documents, longest)


class Capture(Protocol):
    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        """Do `work` once; gives what does it again, at the same places."""


class Graphs:
    """CUDA graphs that share their memory. They are replayed in the order in which they were captured."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        # What other threads do meanwhile, such as the one that hands rows to the GPU, is no part of it.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            work()
        return graph.replay


class Attended(Protocol):
    """Attention over documents. `results` are those of the last call; handed in again with the same heads they are
    not computed anew, where that can be."""

    results: tuple[Tensor, ...] | None

    def __call__(
        self, heads: Heads, results: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, Callable[[Tensor], Heads]]: ...


class Replay:
    """All layers at fixed places, over batches within `room`: as they are, and once captured as graphs."""

    def __init__(
        self,
        owns: Sequence[OwnLayer],
        room: Room,
        attend: Callable[[Documents], Attended],
        keep_attention: bool,
        like: tuple[Tensor, Tensor],
    ):
        """`like` are x [tokens, width] and cos [tokens, size] of a batch."""
        (x, cos), tokens = like, room.tokens
        self._owns, self._room, self._keep_attention = owns, room, keep_attention
        self._flows = x.requires_grad
        self._x, self._grad = (x.new_zeros(tokens, x.shape[-1]) for _ in range(2))
        self._cos, self._sin = (cos.new_zeros(tokens, cos.shape[-1]) for _ in range(2))
        self._starts = torch.zeros(room.documents + 1, dtype=torch.int32, device=x.device)
        scale = float(owns[0].layer.self_attn.scaling)
        self._attend = attend(Documents(self._starts, room.longest, scale))

    def captured(self, capture: Capture) -> bool:
        """Capture the graphs; whether they compute what the layers do one by one, on the batch in place."""
        self._grad.copy_(self._x)  # any direction will do
        for work in (self._forward, self._backward):
            work()  # compiles what is to be compiled, which a capture could not
        expected = self._whole.clone()
        self._forwards, self._backwards = capture(self._forward), capture(self._backward)
        for again in (self._forwards, self._backwards):
            again()
        return _distance(self._whole, expected) < APART

    def place(self, x: Tensor, cos: Tensor, sin: Tensor, starts: Tensor) -> None:
        """A batch where the graphs read it: its documents, then those that fill it up, then empty ones."""
        tokens, given, room = len(x), len(starts), self._room
        for place, one in ((self._x, x), (self._cos, cos), (self._sin, sin)):
            place[:tokens].copy_(one)
        self._starts[:given].copy_(starts)
        more = torch.arange(1, len(self._starts) - given + 1, dtype=torch.int32, device=self._starts.device)
        self._starts[given:].copy_((more * room.longest + tokens).clamp_(max=room.tokens))

    def forward(self, tokens: int) -> Tensor:
        """The last layer's output for the batch in place, which the next one overwrites."""
        self._forwards()
        return self._said[:tokens]

    def backward(self, grad: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        """The gradients of x, which the next batch overwrites, and of the adapters. These are copied at once: one
        by one they would fill the queue of the GPU, and the processor would wait there for it."""
        tokens = len(grad)
        self._grad[:tokens].copy_(grad)
        self._grad[tokens:].zero_()
        self._backwards()
        adapters = [one for own in self._owns for one in own.adapters]
        of_adapters = self._whole.clone().split([one.numel() for one in adapters])
        shaped = [one.view(like.shape) for one, like in zip(of_adapters, adapters, strict=True)]
        return self._of_x[:tokens] if self._of_x is not None else None, shaped

    def _forward(self) -> None:
        self._kept: list[Any] = []
        x = self._x
        for own in self._owns:
            said, kept = own.forward(x, self._cos, self._sin, own.adapters, self._attend)
            results = self._attend.results if self._keep_attention else None
            self._kept.append((x, results) if own.again else kept)
            x = said
        self._said = x

    def _backward(self) -> None:
        flow: Tensor | None = self._grad
        found: list[list[Tensor]] = []
        while self._kept:
            own, kept = self._owns[len(self._kept) - 1], self._kept.pop()
            if own.again:
                x, results = kept
                attend = partial(self._attend, results=results)
                kept = own.forward_kept(x, self._cos, self._sin, own.adapters, attend)
            assert flow is not None
            flows = self._flows or bool(self._kept)
            flow, grads = own.backward(kept, self._cos, self._sin, own.adapters, flow, flows)
            found.append(grads)
        each = [one for grads in reversed(found) for one in grads]
        self._of_x, self._whole = flow, torch.cat([one.flatten() for one in each])


def _distance(found: Tensor, expected: Tensor) -> float:
    """The length of the difference as a share of that of `expected`."""
    apart, whole = (float(one.float().norm()) for one in (found - expected, expected))
    return apart / whole if whole else math.inf if apart else 0.0


class FlashOver:
    """Torch's attention over these documents."""

    def __init__(self, documents: Documents):
        self._documents = documents
        self.results: tuple[Tensor, ...] | None = None

    def __call__(
        self, heads: Heads, results: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, Callable[[Tensor], Heads]]:
        if results is None:
            _, kept = attention.flash(heads, self._documents)
        else:
            kept = FlashKept(heads, self._documents, results)
        self.results = kept.results
        said = kept.results[0]
        return said.view(len(said), -1), lambda grad: attention.flash_back(kept, grad.view(said.shape))


class OneByOne:
    """The same elsewhere than on a GPU. The lengths are read anew each time, and it is always computed."""

    results: tuple[Tensor, ...] | None = None

    def __init__(self, documents: Documents):
        self._documents = documents

    def __call__(
        self, heads: Heads, results: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, Callable[[Tensor], Heads]]:
        lengths = self._documents.starts.diff().tolist()
        return by_autograd(lambda given: attention.one_by_one(given, lengths, self._documents.scale).flatten(1))(
            heads
        )
