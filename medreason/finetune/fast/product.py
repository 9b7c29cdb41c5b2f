"""Linear layers with their LoRA adapters as one step of the backward pass.

    y = x Wᵀ + s (x Aᵀ) Bᵀ        (Hu et al. 2021, LoRA, https://arxiv.org/abs/2106.09685)

W is frozen, in 16 bits or in bitsandbytes' 4 bits; the latter is made plain once for each product, in both
directions, or once and for all. Layers with the same input take it together: one product with all their A, one
gradient. The low-rank part is written first and the large product added to it, which costs less than the other way
round; only x and s x Aᵀ are kept for the way back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Products:
    """Frozen linear layers with the same input. `weights` give W [outputs, inputs] of each, `scales` s, or None
    where a layer has no adapter. The adapters' matrices come along with each call, A [rank, inputs] and B
    [outputs, rank] of each adapted layer in turn."""

    weights: tuple["Weight", ...]
    scales: tuple[float | None, ...]

    @property
    def adapted(self) -> list[float]:
        return [scale for scale in self.scales if scale is not None]

    def lowered(self, x: Tensor, adapters: Sequence[Tensor]) -> Tensor | None:
        """s x Aᵀ of all adapted layers side by side [tokens, ranks]; None where there are none."""
        if not adapters:
            return None
        return self._scaled(x @ _stacked(adapters, x.dtype).T, adapters)

    def forward(
        self, x: Tensor, low: Tensor | None, adapters: Sequence[Tensor], onto: Tensor | None = None
    ) -> list[Tensor]:
        """y of each layer [tokens, outputs]; of a single layer maybe with `onto` added."""
        parts = iter(_parts(low, adapters))
        found = []
        for weight, scale in zip(self.weights, self.scales, strict=True):
            plain = weight().to(x.dtype).T
            if scale is not None:
                part, up = next(parts)
                wide = up.to(x.dtype).T
                y = part @ wide if onto is None else torch.addmm(onto, part, wide)
                found.append(y.addmm_(x, plain))
            else:
                found.append(x @ plain if onto is None else torch.addmm(onto, x, plain))
        return found

    def backward(
        self,
        x: Tensor,
        low: Tensor | None,
        adapters: Sequence[Tensor],
        grads: Sequence[Tensor],
        flows: bool = True,
    ) -> tuple[Tensor | None, list[Tensor]]:
        """The gradients of x, where it `flows` on, and of the adapters, for those of each y."""
        of_adapters: list[Tensor] = []
        of_x = None
        if low is not None:
            of_low, of_b = torch.empty_like(low), []
            of_adapted = [grad for grad, scale in zip(grads, self.scales, strict=True) if scale is not None]
            for grad, (part, up), place in zip(
                of_adapted, _parts(low, adapters), _split(of_low, adapters), strict=True
            ):
                torch.mm(grad, up.to(grad.dtype), out=place)
                of_b.append((grad.T @ part).to(up.dtype))
            self._scaled(of_low, adapters)
            of_a = (of_low.T @ x).split(_ranks(adapters))
            for a, b, down in zip(of_a, of_b, adapters[::2], strict=True):
                of_adapters += [a.to(down.dtype), b]
            if flows:
                of_x = of_low @ _stacked(adapters, x.dtype)
        if flows:
            for grad, weight in zip(grads, self.weights, strict=True):
                plain = weight().to(grad.dtype)
                of_x = grad @ plain if of_x is None else of_x.addmm_(grad, plain)
        return of_x, of_adapters

    def _scaled(self, low: Tensor, adapters: Sequence[Tensor]) -> Tensor:
        """Each layer's columns times its s, in place."""
        scales = self.adapted
        if len(set(scales)) == 1:
            return low.mul_(scales[0])
        for part, scale in zip(_split(low, adapters), scales, strict=True):
            part.mul_(scale)
        return low


def _stacked(adapters: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    downs = [a.to(dtype) for a in adapters[::2]]
    return downs[0] if len(downs) == 1 else torch.cat(downs)


def _ranks(adapters: Sequence[Tensor]) -> list[int]:
    return [len(a) for a in adapters[::2]]


def _split(low: Tensor, adapters: Sequence[Tensor]) -> Sequence[Tensor]:
    return low.split(_ranks(adapters), dim=1)


def _parts(low: Tensor | None, adapters: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Each adapted layer's columns of `low` with its B."""
    return [] if low is None else list(zip(_split(low, adapters), adapters[1::2], strict=True))


class LoraProduct(torch.autograd.Function):
    """One layer: `x` [tokens, inputs]; `products` holds it alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, products: Products, *adapters: Tensor) -> Tensor:
        low = products.lowered(x, adapters)
        ctx.save_for_backward(x, low, *adapters)
        ctx.products = products
        return products.forward(x, low, adapters)[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, low, *adapters = ctx.saved_tensors
        flows = ctx.needs_input_grad[0]
        of_x, of_adapters = ctx.products.backward(x, low, adapters, [grad], flows)
        return of_x, None, *of_adapters


def install(model: Any) -> tuple[int, str]:
    """Put the one-step product on every adapted layer that it computes exactly; how many, and why not on the
    others (the last reason found)."""
    count, reason = 0, ""
    for layer in model.modules():
        if not is_adapted(layer):
            continue
        refused = unfit(layer)
        if refused:
            reason = refused
            continue
        layer.forward = _forward_of(layer)
        count += 1
    return count, reason


def is_adapted(layer: Any) -> bool:
    return hasattr(layer, "lora_A") and hasattr(layer, "base_layer")


def unfit(layer: Any) -> str:
    """Why a layer of PEFT is more than W and one low-rank product; empty where it is not."""
    name = next(iter(layer.lora_A), "")
    base = layer.base_layer
    if list(layer.lora_A) != [name] or list(layer.active_adapters) != [name]:
        return "there is more than one adapter"
    if not isinstance(layer.lora_dropout[name], nn.Identity):
        return "dropout acts between layer and adapter"
    if layer.lora_A[name].bias is not None or layer.lora_B[name].bias is not None:
        return "an adapter has a bias"
    if getattr(layer, "lora_variant", {}):
        return "it is another kind of LoRA"
    return unfit_weight(base)


def unfit_weight(base: Any) -> str:
    """Why a frozen linear layer is more than W; empty where it is not."""
    if getattr(base, "bias", None) is not None:
        return "a layer has a bias"
    if type(base) is not nn.Linear and not hasattr(base.weight, "quant_state"):
        return f"its layers are {type(base).__name__}"
    return ""


def products_of(layers: Sequence[Any]) -> Products:
    """These layers of a model, adapted by PEFT or as they are, which share their input."""
    weights, scales = [], []
    for layer in layers:
        adapted = is_adapted(layer)
        weights.append(Weight(layer.base_layer if adapted else layer))
        scales.append(float(layer.scaling[next(iter(layer.lora_A))]) if adapted else None)
    return Products(tuple(weights), tuple(scales))


def adapters_of(layers: Sequence[Any]) -> list[Tensor]:
    """A and B of each of these layers that is adapted."""
    found = []
    for layer in layers:
        if is_adapted(layer):
            name = next(iter(layer.lora_A))
            found += [layer.lora_A[name].weight, layer.lora_B[name].weight]
    return found


def _forward_of(layer: Any) -> Any:
    usual, products, adapters = layer.forward, products_of([layer]), adapters_of([layer])

    def forward(x: Tensor, *args: Any, **more: Any) -> Tensor:
        if layer.disable_adapters or layer.merged or args or more:
            return usual(x, *args, **more)
        flat: Any = LoraProduct.apply(x.reshape(-1, x.shape[-1]), products, *adapters)
        return flat.view(*x.shape[:-1], flat.shape[-1])

    return forward


class Weight:
    """W of a frozen layer."""

    def __init__(self, base: Any):
        self._base = base
        self._kept: Tensor | None = None

    def __call__(self) -> Tensor:
        """As it is, or made plain of 4 bits, which nobody keeps unless `keep` was called."""
        if self._kept is not None:
            return self._kept
        weight = self._base.weight
        if type(self._base) is nn.Linear:
            return weight.detach()
        from bitsandbytes.functional import dequantize_4bit

        return dequantize_4bit(weight.data, weight.quant_state)

    def keep(self) -> None:
        """Make W plain for as long as the model is there; nothing where it is plain already."""
        if type(self._base) is not nn.Linear:
            self._kept = self()
