"""Puts CUDA graphs in the place of a model's layers, once they are seen to compute what the layers do. Where they
cannot be made, or do not, the layers of `steps` work one by one.
"""

import gc
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from medreason.finetune.fast import attention
from medreason.finetune.fast.graph import Capture, FlashOver, Graphs, OneByOne, Replay, Room
from medreason.finetune.fast.layer import OwnLayer
from medreason.finetune.fast.steps import NOT_IN_STEPS, owns_of

log = logging.getLogger(__name__)


class Trunk:
    """The layers of one model. Of checkpointed ones `keep_attention` keeps what attention gave. `graphs` makes
    what captures them; without it CUDA does."""

    def __init__(
        self,
        owns: Sequence[OwnLayer],
        room: Room,
        keep_attention: bool = False,
        graphs: Callable[[], Capture] | None = None,
    ):
        self._owns, self._room, self._keep_attention, self._graphs = list(owns), room, keep_attention, graphs
        self.adapters = [one for own in owns for one in own.adapters]
        self.replay: Replay | None = None
        self.turn = 0
        self._failed = False

    def takes(self, hidden: Tensor, starts: Tensor | None) -> bool:
        """Whether the graphs do the work for such a batch: in training only, and where it fits."""
        if self._failed or starts is None or not torch.is_grad_enabled():
            return False
        rows, tokens, _ = hidden.shape
        fits = rows == 1 and tokens <= self._room.tokens and len(starts) <= self._room.documents + 1
        return fits and self._owns[0].layer.training and self._owns[0].plain()

    def ready(self, x: Tensor, cos: Tensor, sin: Tensor, starts: Tensor) -> bool:
        """Put a batch in place, for the first one once the graphs are captured; whether they can be trusted."""
        if self.replay is None and (reason := self._prepare(x, cos, sin, starts)):
            self._failed, self.replay = True, None
            gc.collect()
            print(f"CUDA graphs left out: {reason}.", flush=True)
        if self.replay is None:
            return False
        self.turn += 1
        self.replay.place(x, cos, sin, starts)
        return True

    @torch.no_grad()
    def _prepare(self, x: Tensor, cos: Tensor, sin: Tensor, starts: Tensor) -> str:
        """Capture the graphs for tensors like these; why they cannot be used, or nothing."""
        if self._graphs is None and not attention.usable(x):
            return "torch's attention over documents is not there"
        try:
            attend = FlashOver if self._graphs is None else OneByOne
            self.replay = Replay(self._owns, self._room, attend, self._keep_attention, (x, cos))
            self.replay.place(x, cos, sin, starts)
            same = self.replay.captured((self._graphs or Graphs)())
        except Exception as fault:
            log.exception("The graphs could not be captured")
            return type(fault).__name__
        return "" if same else "they compute something else"


class Replayed(torch.autograd.Function):
    """x [tokens, width] of the batch that is in place, through all layers of a trunk."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, trunk: Trunk, *adapters: Tensor) -> Tensor:
        assert trunk.replay is not None
        ctx.trunk, ctx.turn = trunk, trunk.turn
        return trunk.replay.forward(len(x)).detach()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        if ctx.turn != ctx.trunk.turn:
            raise RuntimeError("another row has taken the place of the one that is to go backwards")
        of_x, grads = ctx.trunk.replay.backward(grad)
        return of_x, None, *grads


def install(
    model: Any, room: Room, keep_attention: bool = False, graphs: Callable[[], Capture] | None = None
) -> str:
    """Have the graphs do the work of the layers of `model`, within its PEFT model, from the first training batch
    on; why not, or nothing."""
    owns = owns_of(model)
    if not owns:
        return NOT_IN_STEPS
    trunk = Trunk(owns, room, keep_attention, graphs)
    for number, own in enumerate(owns):
        own.layer.forward = _forward_of(trunk, number, own.layer.forward)
    return ""


def _forward_of(trunk: Trunk, number: int, usual: Any) -> Any:
    """The first layer does the work of all; the others hand on what they are given."""

    def forward(hidden_states: Tensor, *given: Any, **more: Any) -> Tensor:
        starts, turns = more.get("cu_seq_lens_q"), more.get("position_embeddings")
        if turns is None or more.get("past_key_values") is not None or not trunk.takes(hidden_states, starts):
            return usual(hidden_states, *given, **more)
        if number:
            return hidden_states
        assert starts is not None
        x, cos, sin = (one.reshape(-1, one.shape[-1]) for one in (hidden_states, *turns))
        if not trunk.ready(x, cos, sin, starts):
            return usual(hidden_states, *given, **more)
        said: Any = Replayed.apply(x, trunk, *trunk.adapters)
        return said.view(hidden_states.shape)

    return forward
