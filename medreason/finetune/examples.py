"""Turns teaching rows into tokens and labels: which text the model reads, and which of it the loss is on.

The chat format goes through the one template that also asks, with the loss on what the assistant says and on
nothing else. Padding is masked by its place, never by its token: where the padding token is also the end of a
turn, the end of a turn is still learned.
"""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from medreason.text.template import TrainingExample, training_example

IGNORED = -100
CHAT, ARTICLE = "chat", "article"
AT_ONCE = 512

Texts = tuple[str, str, str]  # question, thinking, response


@dataclass(frozen=True)
class Examples:
    """Rows as the trainer takes them: `input_ids` and `labels`, and `seq_lengths` where several rows were packed
    into one. `cut` rows lost their end to the longest length; `dropped` rows had nothing left to learn."""

    rows: tuple[dict[str, list[int]], ...]
    cut: int = 0
    dropped: int = 0

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row["input_ids"]) for row in self.rows]

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    @property
    def taught_tokens(self) -> int:
        """Tokens that the loss is on, in one pass."""
        return sum(label != IGNORED for row in self.rows for label in row["labels"])

    @property
    def sha256(self) -> str:
        """A fingerprint of every token and label in their order, in hex."""
        digest = hashlib.sha256()
        for row in self.rows:
            for name, numbers in sorted(row.items()):
                digest.update(f"{name}:{len(numbers)}\0".encode() + array("q", numbers).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Segment:
    """A stretch of a row as the model meets it. `trained`: the loss is on it. `cut`: it lies beyond the longest
    length, so the model never sees it. `tokens` counts its tokens; one whose character lies on the border of two
    stretches counts for the first."""

    text: str
    trained: bool
    cut: bool
    tokens: int


def row_text(tokenizer: Any, texts: Texts, text_format: str) -> TrainingExample:
    """One row in a text format. In the chat format the prompt is not learned. The article's format has no prompt:
    every token is learned, the end-of-text token included that its trainer (TRL's) puts at the end."""
    question, thinking, response = texts
    if text_format != ARTICLE:
        return training_example(tokenizer, question, thinking, response)
    said = f"<|user|>\n{question}\n<|think|>\n{thinking}\n</think>\n<|assistant|>\n{response}"
    return TrainingExample("", said + (tokenizer.eos_token or ""))


def tokenize(tokenizer: Any, rows: Iterable[Texts], max_length: int, text_format: str = CHAT) -> Examples:
    """Tokens and labels of (question, thinking, response) rows; prompt and completion are tokenized apart, as they
    are when the model is asked. Rows longer than `max_length` tokens lose their end."""
    made: list[dict[str, list[int]]] = []
    cut = dropped = 0
    shown = [row_text(tokenizer, texts, text_format) for texts in rows]
    for start in range(0, len(shown), AT_ONCE):
        some = shown[start : start + AT_ONCE]
        asked = _ids(tokenizer, [one.prompt for one in some])
        said = _ids(tokenizer, [one.completion for one in some])
        for prompt, completion in zip(asked, said, strict=True):
            row = labelled(prompt, completion, max_length)
            cut += len(prompt) + len(completion) > max_length
            if all(label == IGNORED for label in row["labels"]):
                dropped += 1
            else:
                made.append(row)
    return Examples(tuple(made), cut, dropped)


def labelled(prompt: Sequence[int], completion: Sequence[int], max_length: int) -> dict[str, list[int]]:
    """One row of tokens and labels from a prompt, which is not learned, and a completion, which is."""
    return {
        "input_ids": [*prompt, *completion][:max_length],
        "labels": [*[IGNORED] * len(prompt), *completion][:max_length],
    }


def segments(
    tokenizer: Any, question: str, thinking: str, response: str, max_length: int, text_format: str = CHAT
) -> tuple[Segment, ...]:
    """A row as the model will see it, in stretches whose texts together are the whole row: what is read only, what
    is learned, and what is cut off. Empty stretches are left out."""
    shown = row_text(tokenizer, (question, thinking, response), text_format)
    left = max_length
    found: list[Segment] = []
    for text, trained in ((shown.prompt, False), (shown.completion, True)):
        spans = _spans(tokenizer, text)
        kept = min(left, len(spans))
        left -= kept
        border = len(text) if kept == len(spans) else (spans[kept - 1][1] if kept else 0)
        found.append(Segment(text[:border], trained, False, kept))
        found.append(Segment(text[border:], trained, True, len(spans) - kept))
    return tuple(one for one in found if one.text)


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []


def _spans(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """Start and end of each token in `text`, in characters."""
    if not text:
        return []
    return tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
