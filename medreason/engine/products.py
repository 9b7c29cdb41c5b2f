"""Products of a few rows with the weights of a layer, an adapter stacked beside them.

    y = x Wᵀ + ((x Aᵀ) ⊙ m) Bᵀ        m: 0 or 1 for each row, so that a row of 0 is the base exactly

The weights that read the same input are merged into one product: q, k and v; gate and up. In 16 and 32 bits the
rows of A may stand beneath those of W, so that one product gives both; B is block-diagonal and holds the scale.
Knows nothing of layers or models.

On a GPU the adapter costs what its small products take to be launched, not what they read. So a compiled step
writes them as sums, which the compiler joins with what comes next: at the shapes of Qwen3-8B an adapter of rank 16
on a trunk of 36 layers then takes 0.4 to 0.6 ms of 5.3, where library calls take 0.8 to 1.1 of 5.8 (H200, 2 rows).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

FEW = 4
PACKED_FOR = 8  # rows; with this layout one row is as quick as a plain product, and eight cost less than two
SUMMED = 512  # rows times rank up to which a compiled sum is no slower than a library's product


class LowRank(NamedTuple):
    """The adapter of one product: `a` [rank, inputs], `b` [outputs, rank]."""

    a: Tensor
    b: Tensor


class Dense(NamedTuple):
    """`weight` [outputs + rank, inputs]; `b` [outputs, rank], or None without an adapter."""

    weight: Tensor
    b: Tensor | None


class Beside(NamedTuple):
    """`weight` [outputs, inputs] with the adapter as tensors of its own."""

    weight: Tensor
    low: LowRank


class Packed(NamedTuple):
    """As `Dense`, with the weight in oneDNN's own layout: on a CPU two rows then cost hardly more than one,
    where a plain product of two rows takes nearly twice as long."""

    weight: Tensor
    b: Tensor | None


class FourBit(NamedTuple):
    """Weights in bitsandbytes' 4 bits, one library call each; the adapter beside them in 16 bits. `parts` are the
    arguments of that call after the input."""

    parts: tuple[tuple[Any, ...], ...]
    low: LowRank | None


class Modules(NamedTuple):
    """Layers that are called as they are."""

    layers: tuple[nn.Module, ...]
    low: LowRank | None


Product = Dense | Beside | Packed | FourBit | Modules


def multiply(product: Product, x: Tensor, acting: Tensor | None) -> Tensor:
    """`x` [rows, inputs] to [rows, outputs]. `acting` [rows, 1] is 1 where the adapter acts; None: nowhere."""
    if isinstance(product, Dense):
        return _add_stacked(_linear(x, product.weight), product.b, acting)
    if isinstance(product, Packed):
        both = torch.ops.mkldnn._linear_pointwise(x, product.weight, None, "none", [], "")
        return _add_stacked(both, product.b, acting)
    if isinstance(product, Beside):
        return _add_low(functional.linear(x, product.weight), x, product.low, acting)
    if isinstance(product, FourBit):
        results = [torch.ops.bitsandbytes.gemm_4bit(x, *part) for part in product.parts]
    else:
        results = [layer(x) for layer in product.layers]
    y = results[0] if len(results) == 1 else torch.cat(results, dim=-1)
    return y if product.low is None else _add_low(y, x, product.low, acting)


def _add_low(y: Tensor, x: Tensor, low: LowRank, acting: Tensor | None) -> Tensor:
    if acting is None:
        return y
    return _add(y, _narrow(x, low.a) * acting, low.b)


def _add_stacked(both: Tensor, b: Tensor | None, acting: Tensor | None) -> Tensor:
    if b is None:
        return both
    outputs = b.shape[0]
    if acting is None:
        return both[:, :outputs]
    return _add(both[:, :outputs], both[:, outputs:] * acting, b)


def _narrow(x: Tensor, a: Tensor) -> Tensor:
    """x Aᵀ"""
    if _summed(x, a.shape[0]):
        return (x[:, None].float() * a.float()).sum(-1).to(x.dtype)
    return functional.linear(x, a)


def _add(y: Tensor, low: Tensor, b: Tensor) -> Tensor:
    """y + low Bᵀ"""
    if _summed(y, b.shape[1]):
        return y + (low[:, None].float() * b.float()).sum(-1).to(y.dtype)
    return torch.addmm(y, low, b.T)


def _summed(x: Tensor, rank: int) -> bool:
    return torch.compiler.is_compiling() and x.shape[0] * rank <= SUMMED


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    if x.is_cuda or x.dtype is not torch.float32 or not 2 <= x.shape[0] <= FEW:
        return functional.linear(x, weight)
    # On a CPU the second row costs little only when asked for in this order.
    return (weight @ x.T).T.contiguous()


def merge(linears: Sequence[nn.Module], low: LowRank | None, beside: bool = False) -> Product:
    """One product of linear layers without bias that read the same input. Plain weights move into one tensor with
    the adapter's A beneath, unless it is to stay `beside`; the layers then hold views of it, so that nothing is in
    memory twice."""
    if not all(type(layer) is nn.Linear for layer in linears):
        if next(linears[0].parameters()).is_cuda:
            parts = [four_bit_part(layer.weight.data, layer.weight.quant_state) for layer in linears]  # type: ignore
            return FourBit(tuple(parts), low)
        return Modules(tuple(linears), low)
    weights: list[Tensor] = [layer.weight.data for layer in linears]  # type: ignore[misc]
    if len(weights) == 1 and low is None:
        return Dense(weights[0], None)
    rank = low.a.shape[0] if low and not beside else 0
    outputs = [weight.shape[0] for weight in weights]
    whole = weights[0].new_empty(sum(outputs) + rank, weights[0].shape[1])
    start = 0
    for layer, weight in zip(linears, weights, strict=True):
        rows = whole[start : start + weight.shape[0]]
        rows.copy_(weight)
        layer.weight = nn.Parameter(rows, requires_grad=False)
        start += weight.shape[0]
    if low is None:
        return Dense(whole, None)
    if beside:
        return Beside(whole, low)
    whole[start:] = low.a
    return Dense(whole, low.b)


def pack(product: Product) -> Product:
    """`product` laid out for a CPU, as a second copy; itself where that cannot be."""
    if not isinstance(product, Dense) or product.weight.dtype is not torch.float32:
        return product
    return Packed(torch.ops.mkldnn._reorder_linear_weight(product.weight, PACKED_FOR), product.b)


def four_bit_part(weight: Tensor, state: Any) -> tuple[Any, ...]:
    """What bitsandbytes' 4-bit product needs beside the input, in the order of its arguments: from the packed
    weight and its `QuantState`."""
    packed = weight.view(-1, 1)
    shape, kind = list(state.shape), (state.blocksize, state.quant_type)
    if not state.nested:
        return (packed, shape, state.absmax, *kind)
    if state.state2.blocksize != 256:
        raise ValueError("the 4-bit weights are nested in blocks of another size than 256")
    offset = state.offset.float()
    return (packed, shape, state.state2.absmax, *kind, None, state.absmax, state.state2.code, offset)
