"""The loss over the tokens that are learned, with its gradient made in the same go, and nothing in it that waits
for the GPU.

    loss = share · Σ (log Σ exp z - z of the word),  z = h Wᵀ
    gradient of z = share · (softmax z - 1 at the word)

The logits of some tokens at a time are made once, turned into their gradient where they lie, and multiplied by W
again; a loss that keeps its way back for later makes them twice. Which tokens are learned is said before the batch
leaves for the GPU.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from medreason.finetune.calibration import OWN_LOSS_TILE
from medreason.finetune.examples import IGNORED
from medreason.finetune.fast import parts
from medreason.finetune.fast.trial import near

PLACES, WORDS, SHARE = "learned_places", "learned_words", "learned_share"
APART = 0.02  # of the largest number, where it is tried: rounding of 16 bits


class Said(NamedTuple):
    """What a model gives that was asked for its loss alone."""

    loss: Tensor


class LearnedLoss(torch.autograd.Function):
    """Hidden states [learned, width] of the tokens before the learned words, W [words, width], the learned words
    [learned], and the share of each; `tile` tokens at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        head: Tensor,
        words: Tensor,
        share: Tensor,
        into_gradient: "IntoGradient",
        tile: int,
    ) -> Tensor:
        grad = torch.empty_like(hidden)
        loss = torch.zeros((), dtype=torch.float32, device=hidden.device)
        if len(hidden):
            for some, word, place in zip(hidden.split(tile), words.split(tile), grad.split(tile), strict=True):
                logits = some @ head.T
                loss += into_gradient(logits, word[:, None], share)
                torch.mm(logits, head, out=place)
        ctx.save_for_backward(grad)
        return loss

    @staticmethod
    def backward(ctx: Any, of_loss: Tensor) -> Any:
        (grad,) = ctx.saved_tensors
        return grad * of_loss.to(grad.dtype), None, None, None, None, None


IntoGradient = Callable[[Tensor, Tensor, Tensor], Tensor]


def into_gradient(logits: Tensor, words: Tensor, share: Tensor) -> Tensor:
    """The summed loss of logits [tokens, all words] for `words` [tokens, 1], which become its gradient."""
    wide = logits.float()
    from_top = wide - wide.amax(-1, keepdim=True)
    log_sum = from_top.exp().sum(-1, keepdim=True).log()
    at_word = torch.arange(wide.shape[-1], device=wide.device) == words
    loss = (log_sum - torch.where(at_word, from_top, 0.0).sum(-1, keepdim=True)).sum() * share
    logits.copy_((((from_top - log_sum).exp() - at_word.float()) * share).to(logits.dtype))
    return loss


class WithPlaces:
    """A collator that says besides which places of its batch are learned from, and which words there."""

    def __init__(self, collator: Any):
        self._collator = collator

    def __call__(self, rows: Any) -> dict[str, Any]:
        batch = self._collator(rows)
        learned = torch.zeros_like(batch["labels"], dtype=torch.bool)
        learned[:, :-1] = batch["labels"][:, 1:] != IGNORED
        batch[PLACES] = learned.flatten().nonzero()[:, 0]
        batch[WORDS] = batch["labels"].roll(-1, dims=1)[learned]
        return batch


def unfit(model: Any) -> str:
    """Why the loss of `model` is more than this; empty where it is not."""
    if reason := parts.unfit(model):
        return reason
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None:
        return f"its head is {type(head).__name__}"
    return "its head learns" if head.weight.requires_grad else ""


def install(model: Any, compiled: bool = True) -> str:
    """Have `model`, within its PEFT model, give this loss where it is told a share for each learned word; why not,
    or nothing. It is tried on a few numbers before. Without `compiled` it runs as it is, which is for tests on a
    CPU."""
    if reason := unfit(model):
        return reason
    usual, head = model.forward, model.get_output_embeddings()
    turn = parts.compiled_over(into_gradient, 0) if compiled else into_gradient
    if not _works(turn, head.weight.detach()):
        return "it computes something else"

    def forward(*given: Any, **more: Any) -> Any:
        places, words, share = (more.pop(name, None) for name in (PLACES, WORDS, SHARE))
        if share is None:
            return usual(*given, **more)
        more.pop("labels", None)  # None, of PEFT
        said = parts.decoder(model)(*given, **more).last_hidden_state
        hidden = said.reshape(-1, said.shape[-1]).index_select(0, places)
        loss: Any = LearnedLoss.apply(hidden, head.weight, words, share, turn, OWN_LOSS_TILE)
        return Said(loss)

    model.forward = forward
    return ""


def _works(turn: IntoGradient, head: Tensor) -> bool:
    """Whether the loss of three tokens and its gradient are the library's here."""
    with torch.random.fork_rng(devices=[head.device] if head.is_cuda else []), torch.enable_grad():
        torch.manual_seed(0)
        hidden = torch.randn(3, head.shape[1], device=head.device, dtype=head.dtype, requires_grad=True)
        words = torch.randint(0, len(head), (3,), device=head.device)
        share = torch.full((), 0.5, device=head.device)
        ours: Any = LearnedLoss.apply(hidden, head, words, share, turn, 2)
        theirs = functional.cross_entropy((hidden @ head.T).float(), words, reduction="sum") * share
        found, expected = ((loss.detach(), *torch.autograd.grad(loss, hidden)) for loss in (ours, theirs))
    return near(found, expected, APART)
