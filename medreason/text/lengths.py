"""Lengths in tokens, by the model's own tokenizer: of an answer just given, and of training rows.

Of an answer, tags, the end-of-turn token, the prompt and the cap are in neither length. Of a training row,
`whole` is the row as the model meets it, through the one template.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medreason.domain.answers import Counts
from medreason.domain.dataset import CutOff, Lengths, Quantiles
from medreason.text.template import training_example

BATCH = 256
STEP = 128
SHARE_KEPT_WHOLE = 0.995


@dataclass(frozen=True)
class Bin:
    """One bar of a histogram: how many values lie from `start` up to, not including, `end`."""

    start: int
    end: int
    count: int


def token_count(tokenizer: Any, text: str) -> int:
    """Tokens of `text` alone, with no special token added."""
    return len(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else 0


def count(tokenizer: Any, prompt_tokens: int, thinking: str, answer: str) -> Counts:
    """The counts of one answer whose prompt had `prompt_tokens`."""
    return Counts(prompt_tokens, token_count(tokenizer, thinking), token_count(tokenizer, answer))


def lengths_of(
    tokenizer: Any,
    name: str,
    texts: Sequence[tuple[str, str, str]],
    report: Callable[[float], None] | None = None,
    batch: int = BATCH,
) -> Lengths:
    """Lengths of rows given as (question, thinking, answer). `name` says whose tokenizer it is; `report` hears the
    share done. The prompt and what follows are tokenized apart, as in training."""
    prompts: list[int] = []
    completions: list[int] = []
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for start in range(0, len(texts), batch):
        some = texts[start : start + batch]
        examples = [training_example(tokenizer, *row) for row in some]
        prompts += _counts(tokenizer, [example.prompt for example in examples])
        completions += _counts(tokenizer, [example.completion for example in examples])
        for at, part in enumerate(parts):
            part += _counts(tokenizer, [row[at] for row in some])
        if report:
            report(min(1.0, (start + len(some)) / len(texts)))
    whole = tuple(prompt + completion for prompt, completion in zip(prompts, completions, strict=True))
    return Lengths(name, whole, tuple(parts[0]), tuple(parts[1]), tuple(parts[2]), tuple(prompts))


def _counts(tokenizer: Any, texts: list[str]) -> list[int]:
    found = tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return [len(ids) for ids in found]


def quantile(values: Sequence[int], share: float) -> float:
    """The value below which `share` of the values lie, straight between the two nearest (Hyndman and Fan 1996,
    type 7, as numpy does)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def quantiles(values: Sequence[int]) -> Quantiles:
    """Median, mean, 95th percentile and largest of at least one length."""
    return Quantiles(quantile(values, 0.5), sum(values) / len(values), quantile(values, 0.95), max(values))


def cut_off(lengths: Lengths, at: int) -> CutOff:
    """What a longest row of `at` tokens does. Each share includes the next: a row with nothing left has also lost
    its answer. The answer is taken to end one token before the row does, with the end of the turn."""
    rows = len(lengths.whole)
    if not rows:
        return CutOff(at, 0.0, 0.0, 0.0)
    prompts = lengths.prompt or lengths.question
    cut = sum(whole > at for whole in lengths.whole)
    lost = sum(
        whole > at and whole - 1 - answer >= at
        for whole, answer in zip(lengths.whole, lengths.answer, strict=True)
    )
    nothing = sum(prompt >= at for prompt in prompts)
    return CutOff(at, cut / rows, max(lost, nothing) / rows, nothing / rows)


def propose_max_length(lengths: Lengths) -> int:
    """The smallest multiple of 128 that keeps at least 99.5 % of the rows whole: below it rows lose their answers,
    above it memory goes for the longest few. 128 because GPUs work in blocks of that size."""
    longest = quantile(lengths.whole, SHARE_KEPT_WHOLE)
    return STEP * max(1, math.ceil(longest / STEP))


def histogram(values: Sequence[int], bins: int = 40) -> tuple[Bin, ...]:
    """Bars of equal width from 0 that hold every value."""
    if not values:
        return ()
    width = max(1, math.ceil((max(values) + 1) / bins))
    counts = [0] * (max(values) // width + 1)
    for value in values:
        counts[value // width] += 1
    return tuple(Bin(at * width, (at + 1) * width, count) for at, count in enumerate(counts))


def cut_off_sentence(cut: CutOff) -> str:
    """What a cut-off does, in words."""
    if not cut.answer_cut:
        return f"At {cut.at:,} tokens every row is whole."
    sentence = f"At {cut.at:,} tokens {_percent(cut.answer_cut)} of the rows lose part of their answer"
    if cut.answer_lost:
        sentence += f", {_percent(cut.answer_lost)} lose all of it"
    if cut.nothing_left:
        sentence += f", and {_percent(cut.nothing_left)} have nothing left to learn"
    return sentence + "."


def proposal_sentence(lengths: Lengths) -> str:
    """The proposed longest row, and why."""
    proposed = propose_max_length(lengths)
    kept = sum(whole <= proposed for whole in lengths.whole) / len(lengths.whole)
    return (
        f"Proposed longest row: {proposed:,} tokens, the smallest multiple of {STEP} that keeps at least "
        f"{_percent(SHARE_KEPT_WHOLE)} of the rows whole (it keeps {_percent(kept)})."
    )


def table_lines(lengths: Lengths) -> Iterator[str]:
    """The lengths as a table of text: median, mean, 95th percentile and largest of each part."""
    yield f"{'tokens':<10}{'median':>8}{'mean':>8}{'95 %':>8}{'largest':>9}"
    for part in ("whole", "question", "thinking", "answer"):
        found = quantiles(getattr(lengths, part))
        yield f"{part:<10}{found.median:>8,.0f}{found.mean:>8,.0f}{found.p95:>8,.0f}{found.largest:>9,}"


def _percent(share: float) -> str:
    """A share as a percentage that does not round a few rows to none."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    return f"{share:.1%}".replace("%", " %").replace(".0 %", " %")
