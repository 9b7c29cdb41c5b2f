"""Turns teaching rows into tokens and labels: the loss is on what the assistant says, and on nothing else.

The texts come from the one template that also asks. Padding is masked by its place, never by its token: where
the padding token is also the end of a turn, the end of a turn is still learned.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

IGNORED = -100


@dataclass(frozen=True)
class Examples:
    """Rows as the trainer takes them. `cut` rows lost their end to the longest length; `dropped` rows had nothing
    of the assistant left and teach nothing."""

    rows: tuple[dict[str, list[int]], ...]
    cut: int
    dropped: int

    @property
    def tokens(self) -> int:
        return sum(len(row["input_ids"]) for row in self.rows)

    @property
    def taught_tokens(self) -> int:
        """Tokens that the loss is on, in one pass."""
        return sum(label != IGNORED for row in self.rows for label in row["labels"])


def tokenize(tokenizer: Any, pairs: Iterable[tuple[str, str]], max_length: int) -> Examples:
    """Tokens of (prompt, completion) pairs. The two are tokenized apart, as they are when the model is asked."""
    rows, cut, dropped = [], 0, 0
    for prompt, completion in pairs:
        asked: Sequence[int] = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        said: Sequence[int] = tokenizer(completion, add_special_tokens=False)["input_ids"]
        input_ids = [*asked, *said][:max_length]
        labels = [*[IGNORED] * len(asked), *said][:max_length]
        cut += len(asked) + len(said) > max_length
        if all(label == IGNORED for label in labels):
            dropped += 1
        else:
            rows.append({"input_ids": input_ids, "labels": labels})
    return Examples(tuple(rows), cut, dropped)
