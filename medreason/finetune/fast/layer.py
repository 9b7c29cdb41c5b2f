"""A decoder layer of the Qwen3 and Llama family, forwards and backwards written out, in two parts with attention
between them.

    before:  n = norm(x);           q, k, v of n;  q and k normed where the family does, and turned by their places
    after:   h = x + o(attention);  m = norm(h);   h + down(silu(gate(m)) up(m))

Less is started this way than autograd would start (two thirds of the kernels at the shapes of Qwen3-8B). Knows
nothing of autograd, which `steps` tells of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from medreason.finetune.fast import product
from medreason.finetune.fast.attention import Heads
from medreason.finetune.fast.parts import Parts


class BeforeKept(NamedTuple):
    """What the way back needs of the step before attention; query and key as they were before they were turned."""

    normed: Tensor
    low: Tensor | None
    query: Tensor | None
    key: Tensor | None


class AfterKept(NamedTuple):
    """What the way back needs of the step after attention: `said` is what attention gave, `stream` h, and `inner`
    what `down` takes."""

    said: Tensor
    low_out: Tensor | None
    stream: Tensor
    normed: Tensor
    low: Tensor | None
    gate: Tensor
    up: Tensor
    inner: Tensor
    low_down: Tensor | None


Attend = Callable[[Heads], tuple[Tensor, Callable[[Tensor], Heads]]]
"""Query, key and value to what attention gives [tokens, heads · size], and the way back from its gradient."""


class Kept(NamedTuple):
    """What the way back through a whole layer needs."""

    x: Tensor
    before: BeforeKept
    attended_back: Callable[[Tensor], Heads]
    after: AfterKept


class OwnLayer:
    """A decoder layer of a model that PEFT has dressed. `again` says that it is checkpointed."""

    def __init__(self, layer: Any, of: Parts):
        attention, feed = layer.self_attn, layer.mlp
        self.layer, self.of, self.again = layer, of, False
        self._ins = [attention.q_proj, attention.k_proj, attention.v_proj]
        self._groups = [[attention.o_proj], [feed.gate_proj, feed.up_proj], [feed.down_proj]]
        self._in = product.products_of(self._ins)
        self._out, self._feed, self._down = (product.products_of(group) for group in self._groups)
        self.before_adapters = product.adapters_of(self._ins)
        each = [product.adapters_of(group) for group in self._groups]
        self.after_adapters = [one for group in each for one in group]
        self._sizes = [len(group) for group in each]
        norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
        self._head_norms = tuple(one.weight if one is not None else None for one in norms)
        self._first, self._second = layer.input_layernorm, layer.post_attention_layernorm
        self._epsilon = float(self._first.variance_epsilon)
        self._size = int(attention.head_dim)

    def keep_weights(self) -> None:
        """Make the frozen weights plain for as long as the model is there."""
        for products in (self._in, self._out, self._feed, self._down):
            for weight in products.weights:
                weight.keep()

    def plain(self) -> bool:
        """Whether nothing is asked of it but its layers with their adapters."""
        worn = [one for group in (self._ins, *self._groups) for one in group if product.is_adapted(one)]
        return not any(one.disable_adapters or one.merged for one in worn)

    def before(self, x: Tensor, cos: Tensor, sin: Tensor, adapters: Sequence[Tensor]) -> tuple[Heads, BeforeKept]:
        normed = self.of.norm(x, self._first.weight, self._epsilon)
        low = self._in.lowered(normed, adapters)
        query, key, value = (one.view(len(x), -1, self._size) for one in self._in.forward(normed, low, adapters))
        turned = self.of.turned(query, key, cos, sin, self._head_norms, self._epsilon)
        kept = (query, key) if self._head_norms[0] is not None else (None, None)
        return Heads(*turned, value), BeforeKept(normed, low, *kept)

    def before_back(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        kept: BeforeKept,
        adapters: Sequence[Tensor],
        grads: Heads,
        onto: Tensor | None,
    ) -> tuple[Tensor | None, list[Tensor]]:
        """The gradients of x, with `onto` added, and of the adapters; without `onto` x asks for none."""
        heads = self.of.turned_back(
            kept.query, kept.key, cos, sin, self._head_norms, self._epsilon, grads.query, grads.key
        )
        flat = [one.reshape(len(x), -1) for one in (*heads, grads.value)]
        of_normed, of_adapters = self._in.backward(kept.normed, kept.low, adapters, flat, onto is not None)
        if of_normed is None or onto is None:
            return None, of_adapters
        return self.of.norm_back_onto(x, self._first.weight, self._epsilon, of_normed, onto), of_adapters

    def after_kept(self, said: Tensor, x: Tensor, adapters: Sequence[Tensor]) -> AfterKept:
        """All but the last product."""
        of_out, of_feed, of_down = self._each(adapters)
        low_out = self._out.lowered(said, of_out)
        (stream,) = self._out.forward(said, low_out, of_out, onto=x)
        normed = self.of.norm(stream, self._second.weight, self._epsilon)
        low = self._feed.lowered(normed, of_feed)
        gate, up = self._feed.forward(normed, low, of_feed)
        inner = self.of.gated(gate, up)
        return AfterKept(said, low_out, stream, normed, low, gate, up, inner, self._down.lowered(inner, of_down))

    def after(self, kept: AfterKept, adapters: Sequence[Tensor]) -> Tensor:
        (found,) = self._down.forward(kept.inner, kept.low_down, self._each(adapters)[2], onto=kept.stream)
        return found

    def after_back(
        self, kept: AfterKept, adapters: Sequence[Tensor], grad: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The gradients of what attention gave, of x, and of the adapters."""
        of_out, of_feed, of_down = self._each(adapters)
        of_inner, down_grads = self._down.backward(kept.inner, kept.low_down, of_down, [grad])
        halves = self.of.gated_back(kept.gate, kept.up, of_inner)
        del of_inner
        of_normed, feed_grads = self._feed.backward(kept.normed, kept.low, of_feed, halves)
        del halves
        of_stream = self.of.norm_back_onto(kept.stream, self._second.weight, self._epsilon, of_normed, grad)
        of_said, out_grads = self._out.backward(kept.said, kept.low_out, of_out, [of_stream])
        assert of_said is not None
        return of_said, of_stream, [*out_grads, *feed_grads, *down_grads]

    @property
    def adapters(self) -> list[Tensor]:
        return [*self.before_adapters, *self.after_adapters]

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, adapters: Sequence[Tensor], attend: Attend
    ) -> tuple[Tensor, Kept]:
        """The whole layer."""
        kept = self.forward_kept(x, cos, sin, adapters, attend)
        return self.after(kept.after, adapters[len(self.before_adapters) :]), kept

    def forward_kept(
        self, x: Tensor, cos: Tensor, sin: Tensor, adapters: Sequence[Tensor], attend: Attend
    ) -> Kept:
        """All but the last product."""
        split = len(self.before_adapters)
        turned, before = self.before(x, cos, sin, adapters[:split])
        said, back = attend(turned)
        return Kept(x, before, back, self.after_kept(said, x, adapters[split:]))

    def backward(
        self, kept: Kept, cos: Tensor, sin: Tensor, adapters: Sequence[Tensor], grad: Tensor, flows: bool
    ) -> tuple[Tensor | None, list[Tensor]]:
        """The gradients of x, where it `flows` on, and of the adapters."""
        split = len(self.before_adapters)
        of_said, of_x, of_after = self.after_back(kept.after, adapters[split:], grad)
        onto = of_x if flows else None
        of_heads = kept.attended_back(of_said)
        found, of_before = self.before_back(kept.x, cos, sin, kept.before, adapters[:split], of_heads, onto)
        return found, [*of_before, *of_after]

    def _each(self, adapters: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        ends = [sum(self._sizes[: number + 1]) for number in range(len(self._sizes))]
        return [adapters[end - size : end] for end, size in zip(ends, self._sizes, strict=True)]
