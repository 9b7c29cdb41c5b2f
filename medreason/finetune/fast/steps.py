"""The layers of a model as two steps of the backward pass each, put in their place.

A checkpointed layer keeps x alone and goes forwards again on the way back, up to what `down` takes: what that
gives is not needed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from medreason.finetune.fast import parts, product
from medreason.finetune.fast.attention import Heads
from medreason.finetune.fast.layer import AfterKept, Attend, BeforeKept, OwnLayer
from medreason.finetune.fast.parts import Parts

NOT_IN_STEPS = "the layers are not in two steps"


class Before(torch.autograd.Function):
    """x [tokens, width] to query, key and value, and x itself for what comes after."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, own: OwnLayer, *adapters: Tensor) -> Any:
        turned, kept = own.before(x, cos, sin, adapters)
        ctx.save_for_backward(x, cos, sin, *kept, *adapters)
        ctx.own = own
        return *turned, x

    @staticmethod
    def backward(ctx: Any, of_query: Tensor, of_key: Tensor, of_value: Tensor, of_x: Tensor) -> Any:
        x, cos, sin, *more = ctx.saved_tensors
        kept, adapters = BeforeKept(*more[:4]), more[4:]
        onto = of_x if ctx.needs_input_grad[0] else None
        grads = Heads(of_query, of_key, of_value)
        of_x, of_adapters = ctx.own.before_back(x, cos, sin, kept, adapters, grads, onto)
        return of_x, None, None, None, *of_adapters


class After(torch.autograd.Function):
    """What attention gave [tokens, heads · size] and x [tokens, width] to the layer's output."""

    @staticmethod
    def forward(ctx: Any, said: Tensor, x: Tensor, own: OwnLayer, *adapters: Tensor) -> Tensor:
        kept = own.after_kept(said, x, adapters)
        ctx.save_for_backward(*kept, *adapters)
        ctx.own = own
        return own.after(kept, adapters)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        saved = ctx.saved_tensors
        of_said, of_x, of_adapters = ctx.own.after_back(AfterKept(*saved[:9]), saved[9:], grad)
        return of_said, of_x, None, *of_adapters


class Again(torch.autograd.Function):
    """A whole layer that keeps x alone."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, own: OwnLayer, attend: Attend, *adapters: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, cos, sin, *adapters)
        ctx.own, ctx.attend = own, attend
        return own.forward(x, cos, sin, adapters, attend)[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, cos, sin, *adapters = ctx.saved_tensors
        kept = ctx.own.forward_kept(x, cos, sin, adapters, ctx.attend)
        of_x, of_adapters = ctx.own.backward(kept, cos, sin, adapters, grad, ctx.needs_input_grad[0])
        return of_x, None, None, None, None, *of_adapters


def by_autograd(attend: Callable[[Heads], Tensor]) -> Attend:
    """Attention whose way back is found by autograd."""

    def attended(heads: Heads) -> tuple[Tensor, Callable[[Tensor], Heads]]:
        given = [one.detach().requires_grad_() for one in heads]
        with torch.enable_grad():
            said = attend(Heads(*given))
        return said.detach(), lambda grad: Heads(*torch.autograd.grad(said, given, grad))

    return attended


def install(model: Any, of: Parts) -> str:
    """Put them in the place of the layers of `model`, within its PEFT model; why not, or nothing."""
    if reason := _unfit(model):
        return reason
    for layer in parts.decoder(model).layers:
        layer.own = own = OwnLayer(layer, of)
        layer.forward = _forward_of(own)
    return ""


def own_of(layer: Any) -> OwnLayer | None:
    """What `install` has put in a layer's place."""
    return vars(layer).get("own")


def owns_of(model: Any) -> list[OwnLayer]:
    """The same of all layers of `model`; none where one of them lacks it."""
    layers = parts.decoder(model).layers
    owns = [own for layer in layers if (own := own_of(layer)) is not None]
    return owns if len(owns) == len(layers) else []


def keep_weights(model: Any) -> str:
    """Make the frozen weights of the layers plain once and for all; why not, or nothing."""
    owns = owns_of(model)
    for own in owns:
        own.keep_weights()
    return "" if owns else NOT_IN_STEPS


def _unfit(model: Any) -> str:
    if reason := parts.unfit(model):
        return reason
    if getattr(model.config, "attention_dropout", 0.0):
        return "dropout acts within attention"
    for layer in parts.decoder(model).layers:
        for name, linear in [*layer.self_attn.named_children(), *layer.mlp.named_children()]:
            if name.endswith("_proj"):
                check = product.unfit if product.is_adapted(linear) else product.unfit_weight
                if reason := check(linear):
                    return reason
    return ""


def _forward_of(own: OwnLayer) -> Any:
    layer, attention = own.layer, own.layer.self_attn
    usual = layer.forward

    def forward(
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        position_embeddings: Any = None,
        **more: Any,
    ) -> Tensor:
        if past_key_values is not None or not own.plain():
            return usual(
                hidden_states,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                position_embeddings=position_embeddings,
                **more,
            )
        rows, tokens, width = hidden_states.shape

        def attend(heads: Heads) -> Tensor:
            apart = (one.view(rows, tokens, -1, one.shape[-1]).transpose(1, 2) for one in heads)
            by = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation]
            said, _ = by(attention, *apart, attention_mask, dropout=0.0, scaling=attention.scaling, **more)
            return said.reshape(rows * tokens, -1)

        x = hidden_states.reshape(-1, width)
        cos, sin = (one.expand(rows, -1, -1).reshape(rows * tokens, -1) for one in position_embeddings)
        if (own.again or layer.gradient_checkpointing) and layer.training:
            found: Any = Again.apply(x, cos, sin, own, by_autograd(attend), *own.adapters)
        else:
            *turned, x = Before.apply(x, cos, sin, own, *own.before_adapters)
            found = After.apply(attend(Heads(*turned)), x, own, *own.after_adapters)
        return found.view(hidden_states.shape)

    return forward
