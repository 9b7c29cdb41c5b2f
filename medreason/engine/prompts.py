"""What each arm is sent, as tokens; what ends its turn; and whether it fits the model."""

from typing import NamedTuple

from medreason.domain.answers import Answer
from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.models.base import LoadedBase
from medreason.text.template import begun_text, continued_ids, end_of_turn, opens_thinking, prompt_text


class Prompt(NamedTuple):
    """`opened` where the prompt has opened the thinking already; `begun` is what the arm said before, where it is
    continued, and ends the tokens."""

    tokens: list[int]
    opened: bool
    begun: str = ""


def prompt_of(base: LoadedBase, conversation: Conversation, arm: Arm, thinking: bool) -> Prompt:
    begun = conversation.begun_by(arm) or Answer()
    text = prompt_text(base.tokenizer, conversation.messages(arm), thinking)
    tokens = continued_ids(base.tokenizer, text, begun)
    return Prompt(tokens, opens_thinking(text), begun_text(text, begun))


def stop_tokens(base: LoadedBase) -> frozenset[int]:
    """Tokens that end a turn: by the generation config, the tokenizer, and the chat template."""
    configured = base.model.generation_config.eos_token_id
    stops = configured if isinstance(configured, list) else [configured]
    ending = base.tokenizer.convert_tokens_to_ids(end_of_turn(base.tokenizer))
    return frozenset(stop for stop in [*stops, base.tokenizer.eos_token_id, ending] if stop is not None)


def padding_token(base: LoadedBase) -> int:
    for token in (base.tokenizer.pad_token_id, base.tokenizer.eos_token_id):
        if token is not None:
            return token
    return 0


def too_long(base: LoadedBase, prompt: int, budget: int) -> str:
    """Why a prompt and an answer of these lengths do not fit the model; empty where they do."""
    limit = getattr(base.model.config, "max_position_embeddings", None)
    if limit is None or prompt + budget <= limit:
        return ""
    return (
        f"The conversation ({prompt:,} tokens) and the longest answer asked for ({budget:,}) exceed "
        f"the model's {limit:,} tokens. Allow a shorter answer, shorten the question, or start a new "
        "conversation."
    )
