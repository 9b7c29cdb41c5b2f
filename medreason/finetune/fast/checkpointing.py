"""Gradient checkpointing on no more layers than memory asks for.

A checkpointed layer keeps what enters it and is computed again on the way backwards. The first layers are taken:
they go backwards last, when the others hold nothing any more, so that computing them again adds nothing to the
peak.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.modeling_layers import GradientCheckpointingLayer

from medreason.domain.training import TrainingConfig
from medreason.finetune.fast.steps import own_of
from medreason.finetune.memory_need import checkpointed_layers, keeps_plain
from medreason.finetune.workload import Workload
from medreason.models.base_shape import shape_of


def layers_to_checkpoint(model: Any, config: TrainingConfig, lengths: Sequence[int]) -> int:
    """How many of `model`'s layers are checkpointed while it trains on rows of these lengths in tokens, packed
    ones where rows are packed. A model of unknown shape has all of them checkpointed, or none."""
    layers = len(checkpointable(model))
    if not config.gradient_checkpointing:
        return 0
    shape = shape_of(model.get_base_model().config.to_dict())
    if shape is None or not config.checkpoint_as_needed or not torch.cuda.is_available():
        return layers
    count = checkpointed_layers(config, shape, Workload.counted(len(lengths), 0, lengths), True, _room())
    print(f"Gradient checkpointing is on {count} of {layers} layers, as memory asks for.", flush=True)
    return count


def makes_plain(model: Any, config: TrainingConfig, lengths: Sequence[int]) -> bool:
    """Whether the GPU has room to make 4-bit layers plain once and for all, where `config` asks for that and no
    layer is checkpointed. `lengths` as above."""
    shape = shape_of(model.get_base_model().config.to_dict())
    work = Workload.counted(len(lengths), 0, lengths)
    return shape is not None and keeps_plain(config, shape, work, True, _room())


def _room() -> float:
    """Bytes of the GPU that this process has or may take."""
    free, _ = torch.cuda.mem_get_info()
    return free + torch.cuda.memory_reserved()


class FirstLayers(TrainerCallback):
    """Once the trainer has switched checkpointing on everywhere, leaves it on in the first `count` layers only."""

    def __init__(self, count: int):
        self._count = count

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
        for number, layer in enumerate(checkpointable(model)):
            again = number < self._count
            if own := own_of(layer):
                own.again, again = again, False  # it knows better what to compute again than the library
            layer.gradient_checkpointing = again


def checkpointable(model: Any) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
