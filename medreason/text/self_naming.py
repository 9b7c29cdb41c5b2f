"""Finds where a model says its own name or that of the adapter: a rater who reads it could tell the sides.

A hint for the lead, not a verdict: a case may be about somebody called Claude.
"""

import re
from collections.abc import Iterable

FAMILIES = (
    *(
        "qwen",
        "llama",
        "mistral",
        "mixtral",
        "smollm",
        "smollm2",
        "gemma",
        "deepseek",
        "chatgpt",
        "gpt-3",
        "gpt-4",
    ),
    *(
        "gpt-4o",
        "gpt-5",
        "claude",
        "gemini",
        "medgemma",
        "openbiollm",
        "meditron",
        "alibaba",
        "openai",
        "anthropic",
    ),
)
KINDS = ("fine-tuned model", "finetuned model", "base model", "baseline model", "lora adapter", "qlora")
GENERIC = frozenset(("base", "model", "chat", "instruct"))
SHORTEST = 4


def names_to_look_for(base_model: str, adapter: str) -> tuple[str, ...]:
    """The families, the names of the base with and without its version, and the adapter's name where it is not an
    ordinary word, which would be found in every second answer."""
    base = [part for part in re.split(r"[/\\]", base_model) if part]
    own = {*base, *(re.split(r"[-_.\d]", part)[0] for part in base)}
    run = re.split(r"[/\\]", adapter)[-1]
    own |= {run} if re.search(r"[^A-Za-z]", run) else set()
    folded = {name.casefold() for name in own if len(name) >= SHORTEST}
    return (*FAMILIES, *KINDS, *sorted(folded - {*FAMILIES} - GENERIC))


def names_itself(text: str, names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that occur in the text as words of their own, a version may follow; of names that hold each
    other the shortest."""
    folded = text.casefold()
    found = [name for name in names if re.search(rf"(?<!\w){re.escape(name)}(?:[\d.-]\w*)*(?!\w)", folded)]
    return tuple(name for name in found if not any(other in name and other != name for other in found))
