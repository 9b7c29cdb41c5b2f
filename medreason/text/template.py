"""The one way in which text is put to a model, in training and in asking alike.

What is trained is what is asked, token for token: both sides go through the model's own chat template.
Loads no model; the tokenizer is passed in.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from medreason.domain.answers import Answer
from medreason.domain.conversation import Message

OPEN, CLOSE = "<think>", "</think>"
PROBE = "MEDREASON-PROBE"


class TrainingExample(NamedTuple):
    """`prompt` is what the model will be asked with; `completion` what it shall say, its last token the
    one that ends a turn. Only the completion is to be learned."""

    prompt: str
    completion: str


def template_text(tokenizer: Any) -> str:
    """The chat template in use, where a tokenizer has several the default one."""
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()), "")
    return template or ""


def template_sha256(tokenizer: Any) -> str:
    return hashlib.sha256(template_text(tokenizer).encode("utf-8")).hexdigest()


def prompt_text(tokenizer: Any, messages: Sequence[Message], thinking: bool) -> str:
    """The conversation as the model reads it, up to where its own words begin."""
    return tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True, **_options(tokenizer, thinking)
    )


def prompt_ids(tokenizer: Any, messages: Sequence[Message], thinking: bool) -> list[int]:
    """The tokens of `prompt_text`. The template writes every special token itself, so none is added."""
    text = prompt_text(tokenizer, messages, thinking)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def opens_thinking(prompt: str) -> bool:
    """Whether the prompt has opened the trace already, so that the model starts within it."""
    return prompt.rstrip().endswith(OPEN)


def completion_text(cot: str, response: str) -> str:
    """A reply that thinks aloud and then answers."""
    return f"{OPEN}\n{cot}\n{CLOSE}\n\n{response}"


def training_example(tokenizer: Any, question: str, cot: str, response: str) -> TrainingExample:
    """One row as the model will meet it when asked `question` in thinking mode."""
    prompt = prompt_text(tokenizer, [{"role": "user", "content": question}], thinking=True)
    reply = _after(prompt, completion_text(cot.strip(), response.strip()))
    return TrainingExample(prompt, reply + end_of_turn(tokenizer))


def begun_text(prompt: str, begun: Answer) -> str:
    """What follows the prompt where an answer is to be continued: all that its arm has said, up to where its
    next words begin. The same shape as in training: an open trace stays open, a closed one is closed."""
    if not begun.thought:
        return begun.text
    if not begun.closed:
        return _after(prompt, f"{OPEN}\n{begun.thinking}")
    return _after(prompt, completion_text(begun.thinking, begun.text))


def continued_ids(tokenizer: Any, prompt: str, begun: Answer) -> list[int]:
    """The tokens of a prompt and of what its arm has said to it, read as one text."""
    text = prompt + begun_text(prompt, begun)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _after(prompt: str, reply: str) -> str:
    """The reply without what the prompt has opened already."""
    if not opens_thinking(prompt):
        return reply
    opened = prompt[prompt.rindex(OPEN) + len(OPEN) :]
    return reply.removeprefix(OPEN).removeprefix(opened)


def end_of_turn(tokenizer: Any) -> str:
    """The special token with which the template ends an assistant's turn, else the tokenizer's own end."""
    probe: list[Message] = [{"role": "user", "content": "?"}, {"role": "assistant", "content": PROBE}]
    rendered = tokenizer.apply_chat_template(probe, tokenize=False, add_generation_prompt=False)
    _, _, after = rendered.rpartition(PROBE)
    specials = [token for token in tokenizer.all_special_tokens if token and after.lstrip().startswith(token)]
    return max(specials, key=len) if specials else tokenizer.eos_token


def _options(tokenizer: Any, thinking: bool) -> dict[str, bool]:
    return {"enable_thinking": thinking} if "enable_thinking" in template_text(tokenizer) else {}
