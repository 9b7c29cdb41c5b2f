"""A tokenizer for tests that need no real one: a token is a word, a run of blanks, a sign, or a special token."""

import re
from typing import Any

import jinja2

PIECE = re.compile(r"<\|\w+\|>|</?think>|\w+|\s+|[^\w\s]")


class WordTokenizer:
    """As much of a tokenizer as template, lengths and segments need; ChatML as its template."""

    all_special_tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    eos_token = "<|endoftext|>"
    chat_template = (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )

    def __init__(self) -> None:
        self._template = jinja2.Template(self.chat_template, keep_trailing_newline=True)

    def apply_chat_template(
        self, messages: list[dict[str, str]], tokenize: bool, add_generation_prompt: bool, **options: Any
    ) -> str:
        assert not tokenize
        return self._template.render(messages=messages, add_generation_prompt=add_generation_prompt, **options)

    def __call__(self, text: str | list[str], add_special_tokens: bool, **wanted: bool) -> dict[str, list]:
        assert not add_special_tokens
        texts = [text] if isinstance(text, str) else text
        spans = [[found.span() for found in PIECE.finditer(one)] for one in texts]
        ids = [[end - start for start, end in found] for found in spans]
        if isinstance(text, str):
            return {"input_ids": ids[0], "offset_mapping": spans[0]}
        return {"input_ids": ids, "offset_mapping": spans}
