"""Lengths in tokens, by the model's own tokenizer, of thinking and answer apart.

Tags, the end-of-turn token, the prompt and the cap are in neither length.
"""

from typing import Any

from medreason.domain.answers import Counts


def token_count(tokenizer: Any, text: str) -> int:
    """Tokens of `text` alone, with no special token added."""
    return len(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else 0


def count(tokenizer: Any, prompt_tokens: int, thinking: str, answer: str) -> Counts:
    """The counts of one answer whose prompt had `prompt_tokens`."""
    return Counts(prompt_tokens, token_count(tokenizer, thinking), token_count(tokenizer, answer))
