"""Answers one conversation with both arms at once: the rows of one batch, from prompt to last event."""

from collections.abc import Callable, Iterator

import torch

from medreason.domain.answers import Finish
from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Event, Failed
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling
from medreason.engine.decoding import Batch, NotFinite, TokenDraw
from medreason.engine.masked_lora import WornAdapter
from medreason.engine.voice import Voice
from medreason.errors import MedReasonError
from medreason.models.base import LoadedBase
from medreason.text.template import end_of_turn, opens_thinking, prompt_ids, prompt_text


class Pair:
    """One request. `answer` may raise anything; `fail` then ends every arm that is not done."""

    def __init__(
        self,
        base: LoadedBase,
        worn: WornAdapter | None,
        stops: frozenset[int],
        arms: tuple[Arm, ...],
        provenance: ModelProvenance,
    ):
        self._base = base
        self._worn = worn
        self._stops = stops
        self._arms = arms
        self._provenance = provenance
        self._voices: list[Voice] = []

    def fail(self, reason: str) -> Iterator[Event]:
        begun = {voice.arm for voice in self._voices}
        for voice in self._voices:
            if not voice.over:
                yield from voice.fail(reason)
        yield from (Failed(arm, reason) for arm in self._arms if arm not in begun)

    def answer(
        self,
        conversation: Conversation,
        sampling: Sampling,
        cancelled: Callable[[], bool],
    ) -> Iterator[Event]:
        base, voices = self._base, self._voices
        prompts = []
        for arm in self._arms:
            messages = conversation.messages(arm)
            prompts.append(prompt_ids(base.tokenizer, messages, sampling.thinking))
            opened = opens_thinking(prompt_text(base.tokenizer, messages, sampling.thinking))
            voices.append(Voice(arm, base.tokenizer, len(prompts[-1]), opened))
        refusal = _too_long(base, max(len(prompt) for prompt in prompts), sampling.max_new_tokens)
        if refusal:
            for voice in voices:
                yield from voice.fail(refusal)
            return
        yield from (voice.start(self._provenance) for voice in voices)
        draws = {arm: TokenDraw(sampling) for arm in self._arms}
        going = list(voices)
        batch = Batch(base.model, prompts, padding=_padding(base))
        while going:
            if cancelled():
                for voice in going:
                    yield from voice.end(Finish.CANCELLED)
                return
            if self._worn is not None:
                self._worn.rows([voice.arm is Arm.FINETUNED for voice in going])
            logits = batch.step()
            kept: list[int] = []
            tokens: list[int] = []
            for place, voice in enumerate(going):
                try:
                    token = draws[voice.arm].next(logits[place])
                except NotFinite:
                    yield from voice.fail("The model's output holds numbers that are not finite. Ask again.")
                    continue
                if token in self._stops:
                    yield from voice.end(Finish.STOP)
                    continue
                yield from voice.take(token)
                if voice.tokens >= sampling.max_new_tokens:
                    yield from voice.end(Finish.LENGTH)
                    continue
                kept.append(place)
                tokens.append(token)
            if kept and len(kept) < len(going):
                batch.keep(kept)
            going = [going[place] for place in kept]
            if going:
                batch.choose(tokens)


def plain(fault: BaseException) -> str:
    """A sentence for a fault during loading or answering; the log has the rest."""
    if isinstance(fault, MedReasonError):
        return str(fault)
    # On the CPU torch says it as a plain RuntimeError.
    if isinstance(fault, torch.cuda.OutOfMemoryError | MemoryError) or "allocate memory" in str(fault):
        return "The memory did not suffice. Ask for a shorter answer, or end what else uses the memory."
    return "The model stopped because of an unexpected fault; the log says more. Ask again."


def stop_tokens(base: LoadedBase) -> frozenset[int]:
    """Tokens that end a turn: by the generation config, the tokenizer, and the chat template."""
    configured = base.model.generation_config.eos_token_id
    stops = configured if isinstance(configured, list) else [configured]
    ending = base.tokenizer.convert_tokens_to_ids(end_of_turn(base.tokenizer))
    return frozenset(stop for stop in [*stops, base.tokenizer.eos_token_id, ending] if stop is not None)


def _padding(base: LoadedBase) -> int:
    for token in (base.tokenizer.pad_token_id, base.tokenizer.eos_token_id):
        if token is not None:
            return token
    return 0


def _too_long(base: LoadedBase, prompt: int, budget: int) -> str:
    limit = getattr(base.model.config, "max_position_embeddings", None)
    if limit is None or prompt + budget <= limit:
        return ""
    return (
        f"The conversation ({prompt:,} tokens) and the longest answer asked for ({budget:,}) exceed "
        f"the model's {limit:,} tokens. Allow a shorter answer, shorten the question, or start a new "
        "conversation."
    )
