"""What lies between the products of a layer (norms, rotary positions, the gate) as compiled functions: each then
reads and writes memory once, where the library's modules do so for every operation.

They compute what the modules of the Qwen3 and Llama family compute, in the same precision. `Parts` has them with
their way back written out, for layers that are one step of the backward pass; `install` puts them into the modules
of other layers, where the way back is found by autograd.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

FAMILIES = ("qwen3", "llama")


def norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """Root mean square norm over the last dimension, computed in 32 bits (Zhang and Sennrich 2019,
    https://arxiv.org/abs/1910.07467)."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(x.dtype)


def turned(x: Tensor, weight: Tensor | None, cos: Tensor, sin: Tensor, epsilon: float) -> Tensor:
    """Heads [rows, tokens, heads, size], normed where the family does, turned by their places: `cos` and `sin`
    [rows, tokens, size]."""
    if weight is not None:
        x = norm(x, weight, epsilon)
    first, second = x.chunk(2, dim=-1)
    return x * cos[:, :, None] + torch.cat((-second, first), dim=-1) * sin[:, :, None]


def gated(gate: Tensor, up: Tensor) -> Tensor:
    """SiLU of `gate` times `up`."""
    return functional.silu(gate) * up


def norm_back(x: Tensor, weight: Tensor, epsilon: float, grad: Tensor) -> Tensor:
    """The gradient of `norm`'s x. With n = x r and r = 1 / rms(x): r (w g - n mean(w g n))."""
    wide, of_shape = x.float(), grad.float() * weight.float()
    root = torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)
    shape = wide * root
    return (root * (of_shape - shape * (of_shape * shape).mean(-1, keepdim=True))).to(x.dtype)


def norm_back_onto(x: Tensor, weight: Tensor, epsilon: float, grad: Tensor, onto: Tensor) -> Tensor:
    return onto + norm_back(x, weight, epsilon, grad)


class Turned(NamedTuple):
    """Query [tokens, heads, size] and key [tokens, key heads, size]."""

    query: Tensor
    key: Tensor


def turned_both(
    query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, norms: tuple[Tensor | None, ...], epsilon: float
) -> Turned:
    """`turned` for query and key [tokens, heads, size]; `norms` are the weights of the norm of each."""
    of_query, of_key = (
        turned(one[None], weight, cos[None], sin[None], epsilon)[0]
        for one, weight in zip((query, key), norms, strict=True)
    )
    return Turned(of_query, of_key)


def turned_both_back(
    query: Tensor | None,
    key: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    norms: tuple[Tensor | None, ...],
    epsilon: float,
    of_query: Tensor,
    of_key: Tensor,
) -> Turned:
    """The gradients of query and key, for those of what `turned_both` made of them. Without norms neither is
    needed."""
    found = []
    for x, weight, grad in zip((query, key), norms, (of_query, of_key), strict=True):
        first, second = (grad * sin[:, None]).chunk(2, dim=-1)
        of_normed = grad * cos[:, None] + torch.cat((second, -first), dim=-1)
        found.append(of_normed if x is None or weight is None else norm_back(x, weight, epsilon, of_normed))
    return Turned(*found)


class Halves(NamedTuple):
    """Gate and up [tokens, inner]."""

    gate: Tensor
    up: Tensor


def gated_back(gate: Tensor, up: Tensor, grad: Tensor) -> Halves:
    """The gradients of `gated`: with t = sigmoid(gate), g up t (1 + gate (1 - t)) and g gate t."""
    wide, of = gate.float(), grad.float()
    share = torch.sigmoid(wide)
    of_gate = of * up.float() * share * (1 + wide * (1 - share))
    return Halves(of_gate.to(gate.dtype), (of * wide * share).to(up.dtype))


class Parts(NamedTuple):
    """The functions above, compiled or as they are."""

    norm: Callable[..., Tensor]
    norm_back: Callable[..., Tensor]
    norm_back_onto: Callable[..., Tensor]
    turned: Callable[..., Turned]
    turned_back: Callable[..., Turned]
    gated: Callable[..., Tensor]
    gated_back: Callable[..., Halves]


PLAIN = Parts(norm, norm_back, norm_back_onto, turned_both, turned_both_back, gated, gated_back)


def compiled_parts() -> Parts:
    """Compiled for any number of tokens, which is the first dimension of what they are given."""
    return Parts(*(compiled_over(one, 0) for one in PLAIN))


def unfit(model: Any) -> str:
    """Why the layers of `model` compute something else; empty where they do not."""
    if model.config.model_type not in FAMILIES:
        return f"{model.config.model_type} is of another family"
    if model.config.hidden_act != "silu":
        return f"its activation is {model.config.hidden_act}"
    if any(kind != "full_attention" for kind in getattr(model.config, "layer_types", None) or ()):
        return "some of its layers look at a window only"
    return ""


def decoder(model: Any) -> Any:
    """The stack of layers within a model with a head."""
    return model.get_submodule("model") if hasattr(model, "model") else model


def install(model: Any, compiled: bool = True) -> str:
    """Put them into the layers of `model`; why not, or nothing. Without `compiled` they run as they are, which
    is for tests on a CPU."""
    if reason := unfit(model):
        return reason
    used = (norm, turned, gated)
    of_norm, of_turned, of_gated = (compiled_over(one, 1) for one in used) if compiled else used
    inner = decoder(model)
    for layer in inner.layers:
        for one in (layer.input_layernorm, layer.post_attention_layernorm):
            one.forward = _norm_of(one, of_norm)
        layer.self_attn.forward = _attention_of(layer.self_attn, of_turned)
        layer.mlp.forward = _feed_of(layer.mlp, of_gated)
    inner.norm.forward = _norm_of(inner.norm, of_norm)
    return ""


def compiled_over(function: Any, tokens: int) -> Any:
    """Compiled for any number of tokens, which is dimension `tokens` of all that it is given but weights, the only
    tensors of fewer dimensions than these."""
    quick = torch.compile(function)
    mark: Any = torch._dynamo.maybe_mark_dynamic

    def called(*given: Any) -> Any:
        for one in given:
            if isinstance(one, Tensor) and one.dim() > tokens + 1:
                mark(one, tokens)
        return quick(*given)

    return called


def _norm_of(module: Any, of_norm: Any) -> Any:
    epsilon = float(module.variance_epsilon)
    return lambda x: of_norm(x, module.weight, epsilon)


def _feed_of(module: Any, of_gated: Any) -> Any:
    return lambda x: module.down_proj(of_gated(module.gate_proj(x), module.up_proj(x)))


def _attention_of(module: Any, of_turned: Any) -> Any:
    norms = [getattr(module, name, None) for name in ("q_norm", "k_norm")]
    weights = [one.weight if one is not None else None for one in norms]
    epsilon = float(norms[0].variance_epsilon) if norms[0] is not None else 0.0
    usual = module.forward

    def forward(
        hidden_states: Tensor, position_embeddings: Any, attention_mask: Any = None, **more: Any
    ) -> tuple[Tensor, Any]:
        if more.get("past_key_values") is not None:
            return usual(
                hidden_states=hidden_states,
                position_embeddings=position_embeddings,
                attention_mask=attention_mask,
                **more,
            )
        shape = (*hidden_states.shape[:-1], -1, module.head_dim)
        cos, sin = position_embeddings
        query = of_turned(module.q_proj(hidden_states).view(shape), weights[0], cos, sin, epsilon)
        key = of_turned(module.k_proj(hidden_states).view(shape), weights[1], cos, sin, epsilon)
        value = module.v_proj(hidden_states).view(shape)
        attend = ALL_ATTENTION_FUNCTIONS[module.config._attn_implementation]
        said, shares = attend(
            module,
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            attention_mask,
            dropout=module.attention_dropout if module.training else 0.0,
            scaling=module.scaling,
            **more,
        )
        return module.o_proj(said.reshape(*shape[:-2], -1)), shares

    return forward
