"""A linear layer with its LoRA adapter as one step of the backward pass.

    y = x Wᵀ + s (x Aᵀ) Bᵀ        (Hu et al. 2021, LoRA, https://arxiv.org/abs/2106.09685)

W is frozen, in 16 bits or in bitsandbytes' 4 bits; the latter is made plain once for each product, in both
directions. The low-rank part is added within the product, so that nothing of the output's size is written besides
it, and only x and x Aᵀ are kept for the way back.
"""

from typing import Any

import torch
from torch import Tensor, nn


class LoraProduct(torch.autograd.Function):
    """`x` [tokens, inputs], `a` [rank, inputs], `b` [outputs, rank]; `weight()` gives W [outputs, inputs]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, weight: Any, scale: float) -> Tensor:
        low_a, low_b = a.to(x.dtype), b.to(x.dtype)
        y = x @ weight().to(x.dtype).T
        low = x @ low_a.T
        y.addmm_(low, low_b.T, alpha=scale)
        ctx.save_for_backward(x, low, a, b)
        ctx.weight, ctx.scale = weight, scale
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, low, a, b = ctx.saved_tensors
        of_low = (grad @ b.to(grad.dtype)).mul_(ctx.scale)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = grad @ ctx.weight().to(grad.dtype)
            of_x.addmm_(of_low, a.to(grad.dtype))
        of_a = (of_low.T @ x).to(a.dtype)
        of_b = (grad.T @ low).mul_(ctx.scale).to(b.dtype)
        return of_x, of_a, of_b, None, None


def install(model: Any) -> tuple[int, str]:
    """Put the one-step product on every adapted layer that it computes exactly; how many, and why not on the
    others (the last reason found)."""
    count, reason = 0, ""
    for layer in model.modules():
        if not (hasattr(layer, "lora_A") and hasattr(layer, "base_layer")):
            continue
        refused = unfit(layer)
        if refused:
            reason = refused
            continue
        layer.forward = _forward_of(layer)
        count += 1
    return count, reason


def unfit(layer: Any) -> str:
    """Why a layer of PEFT is more than W and one low-rank product; empty where it is not."""
    name = next(iter(layer.lora_A), "")
    base = layer.base_layer
    if list(layer.lora_A) != [name] or list(layer.active_adapters) != [name]:
        return "there is more than one adapter"
    if not isinstance(layer.lora_dropout[name], nn.Identity):
        return "dropout acts between layer and adapter"
    if getattr(base, "bias", None) is not None or layer.lora_A[name].bias is not None:
        return "a layer has a bias"
    if layer.lora_B[name].bias is not None or getattr(layer, "lora_variant", {}):
        return "it is another kind of LoRA"
    if type(base) is not nn.Linear and not hasattr(base.weight, "quant_state"):
        return f"its layers are {type(base).__name__}"
    return ""


def _forward_of(layer: Any) -> Any:
    name = next(iter(layer.lora_A))
    base, usual = layer.base_layer, layer.forward
    weight = _plain_weight(base)
    a, b, scale = layer.lora_A[name], layer.lora_B[name], float(layer.scaling[name])

    def forward(x: Tensor, *args: Any, **more: Any) -> Tensor:
        if layer.disable_adapters or layer.merged or args or more:
            return usual(x, *args, **more)
        flat = LoraProduct.apply(x.reshape(-1, x.shape[-1]), a.weight, b.weight, weight, scale)
        return flat.view(*x.shape[:-1], flat.shape[-1])

    return forward


def _plain_weight(base: Any) -> Any:
    """A function that gives W: as it is, or made plain of 4 bits, which nobody keeps."""
    if type(base) is nn.Linear:
        return lambda: base.weight.detach()
    from bitsandbytes.functional import dequantize_4bit

    return lambda: dequantize_4bit(base.weight.data, base.weight.quant_state)
