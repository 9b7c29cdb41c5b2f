"""What is trained is what is asked, on templates as SmolLM2, Qwen3 and always-thinking models have them."""

import jinja2
import pytest

from medreason.text import template

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
)
TEMPLATES = {
    "plain": CHATML + "{% endif %}",
    "switch": CHATML + "{% if not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}",
    "always": CHATML + "{{ '<think>\n' }}{% endif %}",
}


class Tokenizer:
    """As much of a tokenizer as the template needs; a token is a character."""

    all_special_tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    eos_token = "<|endoftext|>"

    def __init__(self, chat_template):
        self.chat_template = chat_template

    def apply_chat_template(self, messages, tokenize, add_generation_prompt, **options):
        assert not tokenize
        text = template.template_text(self)
        made = jinja2.Template(text, keep_trailing_newline=True)
        return made.render(messages=messages, add_generation_prompt=add_generation_prompt, **options)

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": [ord(letter) for letter in text]}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_trained_row_begins_with_the_very_prompt_that_is_asked(name):
    tokenizer = Tokenizer(TEMPLATES[name])
    example = template.training_example(tokenizer, "Fever?", "It is an infection.", "Viral.")
    asked = template.prompt_text(tokenizer, [{"role": "user", "content": "Fever?"}], thinking=True)
    assert example.prompt == asked
    assert asked + example.completion == (
        "<|im_start|>user\nFever?<|im_end|>\n<|im_start|>assistant\n"
        "<think>\nIt is an infection.\n</think>\n\nViral.<|im_end|>"
    )


def test_the_turn_ends_with_the_templates_own_token_not_the_tokenizers():
    assert template.end_of_turn(Tokenizer(TEMPLATES["plain"])) == "<|im_end|>"


def test_a_template_without_end_of_turn_takes_the_tokenizers():
    assert template.end_of_turn(Tokenizer("{{ messages[-1]['content'] }}")) == "<|endoftext|>"


def test_thinking_is_switched_where_the_template_knows_how():
    messages = [{"role": "user", "content": "Fever?"}]
    tokenizer = Tokenizer(TEMPLATES["switch"])
    assert template.prompt_text(tokenizer, messages, thinking=True).endswith("assistant\n")
    assert template.prompt_text(tokenizer, messages, thinking=False).endswith("</think>\n\n")


def test_only_a_prompt_that_left_the_trace_open_opens_it():
    assert template.opens_thinking("…assistant\n<think>\n")
    assert not template.opens_thinking("…assistant\n<think>\n\n</think>\n\n")


def test_prompt_ids_are_those_of_the_prompt_text():
    tokenizer = Tokenizer(TEMPLATES["plain"])
    messages = [{"role": "user", "content": "é?"}]
    ids = template.prompt_ids(tokenizer, messages, thinking=True)
    assert "".join(map(chr, ids)) == template.prompt_text(tokenizer, messages, thinking=True)


def test_the_template_hash_follows_the_template_in_use():
    named = Tokenizer({"default": TEMPLATES["plain"], "tool_use": "x"})
    plain = Tokenizer(TEMPLATES["plain"])
    assert template.template_sha256(named) == template.template_sha256(plain)
    assert template.template_sha256(plain) != template.template_sha256(Tokenizer(TEMPLATES["switch"]))
