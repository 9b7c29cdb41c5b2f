"""Attention over a packed row, document by document: nothing is computed, nor a mask made, for what lies between
two conversations.

Registered with transformers under a name of its own. The collator of TRL says where the documents begin
(`cu_seq_lens_q`); the work is done by torch's `varlen_attn` on a GPU that has it, else by one causal attention a
document.
"""

import inspect
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "by_document"
HALF = (torch.bfloat16, torch.float16)


def use(model: Any) -> str:
    """Have `model` attend document by document; why it cannot, or nothing. What is not packed is attended to as
    before."""
    usual = model.config._attn_implementation
    if usual != "sdpa":
        return f"its attention is {usual}"
    AttentionInterface.register(NAME, attend)
    model.set_attn_implementation(NAME)
    return "" if model.config._attn_implementation == NAME else "the model keeps its attention"


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    **more: Any,
) -> tuple[Tensor, Any]:
    """`query` [1, heads, tokens, size], `key` and `value` [1, key heads, tokens, size]; gives [1, tokens, heads,
    size]. `cu_seq_lens_q` are the documents' first places and the end; without them the rows are not packed, and
    the library attends to them in its own way."""
    if cu_seq_lens_q is None:
        plainly = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return plainly(module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **more)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    flat = Heads(*(one[0].transpose(0, 1) for one in (query, key, value)))
    if varlen is not None and query.is_cuda and query.dtype in HALF:
        longest = int(max_length_q) if max_length_q is not None else int(cu_seq_lens_q.diff().max())
        said = _varlen(flat, cu_seq_lens_q, longest, scale)
    else:
        lengths = cu_seq_lens_q.diff().tolist()
        parts = zip(*(one.split(lengths) for one in flat), strict=True)
        said = torch.cat([_document(Heads(*part), scale) for part in parts])
    return said[None], None


class Heads(NamedTuple):
    """Query [tokens, heads, size], key and value [tokens, key heads, size]."""

    query: Tensor
    key: Tensor
    value: Tensor

    def repeated(self) -> "Heads":
        """Keys and values once for each head of the query."""
        groups = self.query.shape[1] // self.key.shape[1]
        if groups == 1:
            return self
        return Heads(self.query, *(one.repeat_interleave(groups, dim=1) for one in (self.key, self.value)))


def _varlen(heads: Heads, starts: Tensor, longest: int, scale: float) -> Tensor:
    assert varlen is not None
    how: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in TAKES else {"is_causal": True}
    if "enable_gqa" in TAKES:
        how["enable_gqa"] = True
    else:
        heads = heads.repeated()
    if "scale" in TAKES:
        how["scale"] = scale
    else:  # it divides by the root of the size
        heads = heads._replace(query=heads.query * (scale * heads.query.shape[-1] ** 0.5))
    said: Any = varlen(*heads, starts, starts, longest, longest, **how)
    return said[0] if isinstance(said, tuple) else said


def _document(heads: Heads, scale: float) -> Tensor:
    """One document's causal attention: [tokens, heads, size]."""
    query, key, value = (one.transpose(0, 1)[None] for one in heads.repeated())
    said = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
    return said[0].transpose(0, 1)


try:
    from torch.nn.attention.varlen import varlen_attn as varlen

    TAKES = frozenset(inspect.signature(varlen).parameters)
except ImportError:  # torch before 2.10
    varlen, TAKES = None, frozenset()  # type: ignore[assignment]
