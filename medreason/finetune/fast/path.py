"""Puts the levers of the fast path on a model that is about to train. What cannot run on a machine or a model is
left out, with a line in the run's log.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from medreason.domain.training import TrainingConfig
from medreason.finetune.fast import attention, graph, loss, parts, product, steps, trunk
from medreason.finetune.fast.checkpointing import makes_plain
from medreason.finetune.memory_need import by_graphs, by_own_loss

log = logging.getLogger(__name__)


def take(model: Any, config: TrainingConfig, on_gpu: bool) -> list[str]:
    """Have `model`, which PEFT has dressed, train as quickly as `config` lets it; a line for each lever that was
    asked for and left out. On a CPU, where none of them helps, nothing is done."""
    if not on_gpu:
        return []
    left_out = []
    base = model.get_base_model()
    if config.packing and config.attention == "by document":
        left_out += _said("Attention by document", lambda: attention.use(base))
    if config.compiled_parts and config.fused_lora:
        whole = _said("Whole layers in two steps", lambda: steps.install(base, parts.compiled_parts()))
        left_out += whole
        if not whole:
            return left_out
    if config.compiled_parts:
        left_out += _said("Compiled norms, positions and gates", lambda: parts.install(base))
    if config.fused_lora:
        left_out += _said("LoRA in one product", lambda: _fused(model))
    return left_out


def replay(model: Any, config: TrainingConfig, rows: Sequence[Mapping[str, Any]], on_gpu: bool) -> list[str]:
    """Have CUDA graphs do the work of the layers of `model` while it trains on these packed rows, on a GPU and
    where `config` asks for that and for all that it takes; a line where it was asked for and left out."""
    if not by_graphs(config, on_gpu):
        asked = by_graphs(replace(config, split_base=False), on_gpu)
        return ["CUDA graphs left out: the base is split."] if asked else []
    room = graph.Room.of([row["seq_lengths"] for row in rows], config.batch_size)
    return _said("CUDA graphs", lambda: trunk.install(model.get_base_model(), room, config.keep_attention))


def keep_weights(
    model: Any, config: TrainingConfig, checkpointed: int, lengths: Sequence[int], on_gpu: bool
) -> list[str]:
    """Have the layers of `model` on a 4-bit base made plain once and for all, on a GPU and where `config` asks for
    that, none of them is `checkpointed` and memory suffices for rows of these lengths; a line that says so, or why
    not."""
    base = model.get_base_model()
    if not (on_gpu and config.plain_weights and getattr(base, "is_loaded_in_4bit", False)):
        return []
    what = "Plain copies of the 4-bit layers"
    if config.split_base:
        return [f"{what} left out: the base is split."]
    if checkpointed or not makes_plain(model, config, lengths):
        return [f"{what} left out: the GPU has no room for them."]
    return _said(what, lambda: steps.keep_weights(base)) or ["The 4-bit layers were made plain once and for all."]


def own_loss(trainer: Any, config: TrainingConfig, on_gpu: bool) -> list[str]:
    """Have the model of `trainer` give its loss and the gradient in one go, and the batches say what is learned
    from them, on a GPU and where `config` asks for that; a line where it was asked for and left out."""
    if not by_own_loss(config, on_gpu):
        return []

    def put_on() -> str:
        if not keeps_16_bits(trainer.model, config):
            return "some of the base is in 32 bits"
        if not (reason := loss.install(trainer.model.get_base_model())):
            trainer.data_collator = loss.WithPlaces(trainer.data_collator)
        return reason

    return _said("Loss in one go", put_on)


def keeps_16_bits(model: Any, config: TrainingConfig) -> bool:
    """Whether nothing needs autocast: every frozen weight that is computed with is in 16 bits or fewer, and the
    product casts the adapter itself."""
    return config.fused_lora and all(
        weight.dtype is not torch.float32 for weight in model.parameters() if not weight.requires_grad
    )


def _fused(model: Any) -> str:
    count, reason = product.install(model)
    return "" if count and not reason else reason or "no layer is adapted"


def _said(what: str, put_on: Any) -> list[str]:
    try:
        reason = put_on()
    except Exception as fault:
        log.exception("%s could not be put on", what)
        reason = f"{type(fault).__name__}"
    return [f"{what} left out: {reason}."] if reason else []
