"""What a server is asked with: the same for both names but for the name and the arm's own earlier answers."""

from collections.abc import Collection, Sequence
from typing import Any

from medreason.domain.conversation import Message
from medreason.domain.sampling import Sampling

# Fields that not every server takes, by the word with which a refusal names them, and what is lost without each.
OPTIONAL = {
    "continuous_usage_stats": "",
    "stream_options": "",
    "top_k": "top-k",
    "chat_template_kwargs": "the thinking switch",
    "seed": "the seed",
    "min_p": "min-p",
}


def request_body(
    model: str, messages: Sequence[Message], sampling: Sampling, left_out: Collection[str] = ()
) -> dict[str, Any]:
    """The body of a streamed `/chat/completions`. Top-k, the thinking switch and totals on the way are extensions
    of vLLM's that others share; `left_out` are fields of `OPTIONAL` that this server does not take."""
    body: dict[str, Any] = {
        "model": model,
        "messages": list(messages),
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or -1,  # without the field a server may use one of the model's own
        "min_p": sampling.min_p,
        "seed": sampling.seed,
        "max_tokens": sampling.max_new_tokens,
        "chat_template_kwargs": {"enable_thinking": sampling.thinking},
    }
    if "continuous_usage_stats" in left_out:
        body["stream_options"] = {"include_usage": True}
    return {name: value for name, value in body.items() if name not in left_out}
