"""How alike two models are in what they say next, measured on fixed prompts. Importing this loads no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PROMPTS = (
    "A 61-year-old man has had crushing chest pain for an hour. The electrocardiogram shows ST elevation in "
    "leads II, "
    "III and aVF. Which artery is blocked, and what must be done first?",
    "Fatigue, a hemoglobin of 8.4 g/dl and a mean corpuscular volume of 118 fl in a woman who has eaten no animal "
    "products for ten years. Think it through, then give one line.",
    "<think>\nThe sodium is 118 mmol/l and she has a seizure, so hypertonic saline comes before any search "
    "for the "
    "cause.\n</think>\n\nGive 100 to 150 ml of 3 % saline",
    "Explain to a colleague why metformin is stopped when the kidneys fail.",
)


@dataclass(frozen=True)
class Closeness:
    """Two models over the same prompts. `largest` is the largest difference of two logits, within `span`, the
    range of the first model's logits; `agreement` is the share of positions where the likeliest token is the
    same; `divergence` is the mean Kullback-Leibler divergence of the second from the first, in nats (Kullback
    and Leibler 1951)."""

    positions: int
    largest: float
    span: float
    agreement: float
    divergence: float

    def __str__(self) -> str:
        return (
            f"largest logit difference {self.largest:.3g} (of a range of {self.span:.3g}), the same likeliest "
            "token at "
            f"{100 * self.agreement:.1f} % of {self.positions} positions, mean KL divergence "
            f"{self.divergence:.2g} nats"
        )


def logits_of(model: Any, tokenizer: Any, prompts: Sequence[str] = PROMPTS) -> list[Any]:
    """For each prompt a tensor (tokens, words) of 32-bit logits, in the computer's own memory."""
    import torch

    device = next(model.parameters()).device
    found = []
    with torch.inference_mode():
        for prompt in prompts:
            ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"].to(device)
            found.append(model(input_ids=ids, use_cache=False).logits[0].float().cpu())
    return found


def closeness(first: Sequence[Any], second: Sequence[Any]) -> Closeness:
    """Compare what `logits_of` gave for two models of the same tokenizer."""
    import torch

    largest = divergence = 0.0
    low, high = float("inf"), float("-inf")
    same = positions = 0
    for one, other in zip(first, second, strict=True):
        if not bool(torch.isfinite(other).all()):
            return Closeness(int(one.shape[0]), float("inf"), 0.0, 0.0, float("inf"))
        largest = max(largest, float((one - other).abs().max()))
        low, high = min(low, float(one.min())), max(high, float(one.max()))
        same += int((one.argmax(-1) == other.argmax(-1)).sum())
        positions += one.shape[0]
        logs, others = one.log_softmax(-1), other.log_softmax(-1)
        divergence += float((logs.exp() * (logs - others)).sum())
    return Closeness(positions, largest, high - low, same / positions, max(0.0, divergence / positions))
