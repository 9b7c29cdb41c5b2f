"""What is trained is what is asked, on templates as SmolLM2, Qwen3 and always-thinking models have them."""

import jinja2
import pytest

from medreason.domain.answers import Answer
from medreason.text import template
from medreason.text.thinking import ThinkingSplitter

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


WHOLE = Answer("It is an infection.", "Viral.", thought=True, closed=True)
CUT = (
    Answer(),
    Answer("", thought=True),
    Answer("It is an", thought=True),
    Answer("It is an infection.", "", thought=True, closed=True),
    Answer("It is an infection.", "Vir", thought=True, closed=True),
)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("cut", CUT)
def test_a_continued_prompt_is_the_beginning_of_what_was_trained(name, cut):
    """Wherever a trained reply is cut, going on from there is going on in the trained text."""
    tokenizer = Tokenizer(TEMPLATES[name])
    example = template.training_example(tokenizer, "Fever?", WHOLE.thinking, WHOLE.text)
    begun = template.begun_text(example.prompt, cut)
    assert (example.prompt + example.completion).startswith(example.prompt + begun)
    ids = template.continued_ids(tokenizer, example.prompt, cut)
    assert "".join(map(chr, ids)) == example.prompt + begun


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("cut", CUT)
def test_what_comes_after_a_continued_prompt_joins_to_the_whole_reply(name, cut):
    tokenizer = Tokenizer(TEMPLATES[name])
    prompt, completion = template.training_example(tokenizer, "Fever?", WHOLE.thinking, WHOLE.text)
    begun = template.begun_text(prompt, cut)
    splitter = ThinkingSplitter(template.opens_thinking(prompt))
    splitter.go_on_from(begun)
    rest = completion.removesuffix("<|im_end|>")[len(begun) :]
    pieces = [piece for letter in rest for piece in splitter.feed(letter)] + splitter.flush()
    thinking = cut.thinking + "".join(text for part, text in pieces if part == "thinking")
    answer = cut.text + "".join(text for part, text in pieces if part == "answer")
    assert (thinking, answer, splitter.thought, splitter.closed) == (WHOLE.thinking, WHOLE.text, True, True)


def test_an_answer_without_a_trace_goes_on_as_it_stands():
    assert template.begun_text("assistant\n", Answer(text="The likely ca")) == "The likely ca"


@pytest.mark.parametrize("tail", ["a <", "a </th", "p <0.05 and x<", "\n<think"])
def test_what_looks_like_a_tag_at_the_cut_is_not_said_twice(tail):
    splitter = ThinkingSplitter()
    splitter.go_on_from(tail)
    assert splitter.feed(" more") == [("answer", " more")]
