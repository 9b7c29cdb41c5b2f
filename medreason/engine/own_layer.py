"""The layers of the Qwen3 and Llama family as plain functions over tensors: one new token for each of a few rows,
or the prompts of rows that have none yet.

Every row has its own length. The query heads that share a key head are asked as positions of one query, so keys
and values are never repeated. Knows nothing of slots, graphs or sampling.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from medreason.engine.products import Product, multiply


class Shape(NamedTuple):
    """What is the same in all layers of a model."""

    heads: int
    key_heads: int
    head_size: int
    epsilon: float
    scale: float


class Layer(NamedTuple):
    """One layer's weights. `head_norm` [heads + key heads, head size] norms queries and keys; None where the
    family does not."""

    norm: Tensor
    qkv: Product
    head_norm: Tensor | None
    out: Product
    feed_norm: Tensor
    gate_up: Product
    down: Product


class Step(NamedTuple):
    """What all layers of one step share. `place` is where in a cache the new keys go, as an index of [rows, key
    heads, cells]; `seen` [rows, 1, 1, window] the cells a row may look at, its new one included (None: all of
    them). `cos` and `sin` [rows, 1, head size]; `acting` [rows, 1] says where the adapter acts."""

    place: tuple[Any, ...]
    seen: Tensor | None
    cos: Tensor
    sin: Tensor
    acting: Tensor | None


def rms(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(x.dtype) * weight


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions. The first half of `sin` has its sign turned already, in place of the half of `x`."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def step(x: Tensor, layer: Layer, keys: Tensor, values: Tensor, shape: Shape, at: Step) -> Tensor:
    """One layer for one new token a row: `x` [rows, width] in and out. `keys` and `values` [rows, key heads,
    window, head size] are written at the rows' cells and read where `seen`."""
    rows = x.shape[0]
    y = multiply(layer.qkv, rms(x, layer.norm, shape.epsilon), at.acting)
    turned, new_values = _heads(y, layer, shape, at.cos, at.sin)
    keys[at.place] = turned[:, shape.heads :]
    values[at.place] = new_values
    queries = turned[:, : shape.heads].reshape(rows, shape.key_heads, -1, shape.head_size)
    said = attend(queries, keys, values, shape.scale, at.seen)
    x = x + multiply(layer.out, said.reshape(rows, -1), at.acting)
    return x + _feed(x, layer, shape, at.acting)


def attend(queries: Tensor, keys: Tensor, values: Tensor, scale: float, seen: Tensor | None) -> Tensor:
    """Attention of [rows, key heads, queries, head size] over [rows, key heads, window, head size]."""
    rows, heads = queries.shape[:2]
    weights = torch.bmm(queries.flatten(0, 1), keys.flatten(0, 1).transpose(1, 2)).float() * scale
    if seen is not None:
        # Chosen, not added: a cell outside may hold anything, and no number added to a NaN is one.
        weights = torch.where(seen, weights.unflatten(0, (rows, heads)), -torch.inf).flatten(0, 1)
    shares = torch.softmax(weights, dim=-1).to(values.dtype)
    return torch.bmm(shares, values.flatten(0, 1)).unflatten(0, (rows, heads))


class Piece(NamedTuple):
    """What all layers share over a piece of prompts of one length. `cos` and `sin` [length, 1, head size] are of
    its places; `seen` [length, cells] says which cells each of them may look at (None: the piece is the first,
    and each looks at itself and those before it); `acting` [rows, 1, 1] says where the adapter acts."""

    cos: Tensor
    sin: Tensor
    seen: Tensor | None
    acting: Tensor | None


def prompt(
    x: Tensor, layer: Layer, shape: Shape, at: Piece, before: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer over a piece of prompts: `x` [rows, length, width] in and out, with the keys and values of all
    cells read so far [rows, key heads, cells, head size]. `before` are those of the pieces before."""
    rows, length, width = x.shape
    switch = at.acting.expand(rows, length, 1).reshape(-1, 1) if at.acting is not None else None
    flat = x.reshape(-1, width)
    y = multiply(layer.qkv, rms(flat, layer.norm, shape.epsilon), switch)
    turned, values = _heads(y.reshape(rows, length, -1), layer, shape, at.cos, at.sin)
    queries, keys = turned.transpose(1, 2).split([shape.heads, shape.key_heads], dim=1)
    values = values.transpose(1, 2)
    if before is not None:
        keys, values = torch.cat([before[0], keys], dim=2), torch.cat([before[1], values], dim=2)
    groups = shape.heads // shape.key_heads
    said = functional.scaled_dot_product_attention(
        queries,
        keys.repeat_interleave(groups, dim=1),
        values.repeat_interleave(groups, dim=1),
        attn_mask=at.seen,
        is_causal=at.seen is None,
        scale=shape.scale,
    )
    flat = flat + multiply(layer.out, said.transpose(1, 2).reshape(rows * length, -1), switch)
    flat = flat + _feed(flat, layer, shape, switch)
    return flat.reshape(rows, length, width), keys, values


def _heads(y: Tensor, layer: Layer, shape: Shape, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys, normed and turned, side by side as heads; and the values."""
    turned = shape.heads + shape.key_heads
    heads = y.reshape(*y.shape[:-1], turned + shape.key_heads, shape.head_size)
    mixed = heads[..., :turned, :]
    if layer.head_norm is not None:
        mixed = rms(mixed, layer.head_norm, shape.epsilon)
    return rotate(mixed, cos, sin), heads[..., turned:, :]


def _feed(x: Tensor, layer: Layer, shape: Shape, acting: Tensor | None) -> Tensor:
    gate, up = multiply(layer.gate_up, rms(x, layer.feed_norm, shape.epsilon), acting).chunk(2, dim=-1)
    return multiply(layer.down, functional.silu(gate) * up, acting)
