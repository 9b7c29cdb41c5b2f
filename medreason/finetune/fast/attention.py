"""Attention over a packed row, document by document: nothing is computed, nor a mask made, for what lies between
two conversations.

Registered with transformers under a name of its own. The collator of TRL says where the documents begin
(`cu_seq_lens_q`). On a GPU the work is done by torch's flash attention over documents, the operation below its
`varlen_attn`: called directly it takes a few keys for many queries in every version, without copies of them, and
starts sooner. Elsewhere it is one causal attention a document.
"""

import logging
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from medreason.finetune.fast.trial import near

log = logging.getLogger(__name__)

NAME = "by_document"
HALF = (torch.bfloat16, torch.float16)
APART = 0.05  # of the largest number: rounding of 16 bits, in another order


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
    heads = Heads(*(one.squeeze(0).transpose(0, 1) for one in (query, key, value)))
    if usable(query):
        longest = int(max_length_q) if max_length_q is not None else int(cu_seq_lens_q.diff().max())
        said: Any = Flash.apply(*heads, cu_seq_lens_q, longest, scale)
    else:
        said = one_by_one(heads, cu_seq_lens_q.diff().tolist(), scale)
    return said.unsqueeze(0), None


def usable(query: Tensor) -> bool:
    """Whether torch's attention over documents takes such tensors here."""
    return query.is_cuda and query.dtype in HALF and has_flash()


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


class Documents(NamedTuple):
    """Where the documents of a row begin, the last of which is the end, the longest of them in tokens, and by what
    scores are multiplied."""

    starts: Tensor
    longest: int
    scale: float


class FlashKept(NamedTuple):
    """What the way back needs: the operation's inputs and its results."""

    heads: Heads
    documents: Documents
    results: tuple[Tensor, ...]


def flash(heads: Heads, documents: Documents) -> tuple[Tensor, FlashKept]:
    """Attention within each document: [tokens, heads, size]."""
    starts, longest, scale = documents
    ends = (starts, starts, longest, longest)
    *results, _ = torch.ops.aten._flash_attention_forward(*heads, *ends, 0.0, True, False, scale=scale)
    return results[0], FlashKept(heads, documents, tuple(results))


def flash_back(kept: FlashKept, grad: Tensor) -> Heads:
    """The gradients of `flash`'s heads."""
    starts, longest, scale = kept.documents
    said, sums, *random = kept.results
    ends = (starts, starts, longest, longest)
    return Heads(
        *torch.ops.aten._flash_attention_backward(
            grad, *kept.heads, said, sums, *ends, 0.0, True, *random, scale=scale
        )
    )


class Flash(torch.autograd.Function):
    """`flash` for autograd."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, starts: Tensor, longest: int, scale: float
    ) -> Tensor:
        heads = Heads(query, key, value)
        said, kept = flash(heads, Documents(starts, longest, scale))
        ctx.save_for_backward(*heads, starts, *kept.results)
        ctx.longest, ctx.scale = longest, scale
        return said

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        query, key, value, starts, *results = ctx.saved_tensors
        documents = Documents(starts, ctx.longest, ctx.scale)
        found = flash_back(FlashKept(Heads(query, key, value), documents, tuple(results)), grad)
        return *found, None, None, None


@cache
def has_flash() -> bool:
    """Whether torch's operation gives attention and its gradients here: tried once, on a few numbers."""
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[torch.cuda.current_device()]):
            torch.manual_seed(0)
            like: Any = {"device": "cuda", "dtype": torch.bfloat16, "requires_grad": True}
            heads = [torch.randn(5, count, 64, **like) for count in (4, 2, 2)]
            starts = torch.tensor([0, 2, 5], device="cuda", dtype=torch.int32)
            ways = (
                Flash.apply(*heads, starts, 3, 0.125),
                one_by_one(Heads(*heads), [2, 3], 0.125),
            )
            found, expected = ([said, *torch.autograd.grad(said.float().square().sum(), heads)] for said in ways)
        reason = "" if near(found, expected, APART) else "it computes something else"
    except Exception as fault:
        reason = f"{type(fault).__name__}: {fault}"
    if reason:
        log.warning("torch's attention over documents is left out, they are attended to one by one: %s", reason)
    return not reason


def one_by_one(heads: Heads, lengths: list[int], scale: float) -> Tensor:
    parts = zip(*(one.split(lengths) for one in heads), strict=True)
    return torch.cat([_document(Heads(*part), scale) for part in parts])


def _document(heads: Heads, scale: float) -> Tensor:
    """One document's causal attention: [tokens, heads, size]."""
    query, key, value = (one.transpose(0, 1)[None] for one in heads.repeated())
    said = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale)
    return said[0].transpose(0, 1)
