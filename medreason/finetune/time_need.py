"""How long a run takes: by an earlier run of the same kind on this computer, else by its products and what this
computer can do of them. Loads no torch.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medreason.domain.estimate import Machine, Part
from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.finetune.calibration import (
    CORE_FLOPS,
    FAST_LAUNCH_S,
    FAST_LINEAR_SHARE,
    GPU_FLOPS,
    LAUNCH_S,
    LINEAR_SHARE,
    LOAD_BYTES_A_S,
    MASKED_ATTENTION_SHARE,
    START_S,
)
from medreason.finetune.memory_need import (
    base_bytes,
    by_document,
    by_graphs,
    computed_again,
    in_two_steps,
    keeps_attention,
)
from medreason.finetune.recipe import batches_each, pass_steps, rhythm
from medreason.finetune.workload import Workload
from medreason.models.base_shape import BaseShape

STARTING, TRAINING, MEASURING = "Starting and loading", "Training", "Measuring the held-out loss"
# Two runs that agree in these need the same time for a step.
OF_A_STEP = (
    "base_model",
    "quantization",
    "data",
    "data_config",
    "max_length",
    "text_format",
    "packing",
    "batch_size",
    "accumulation",
    "gpus",
    "split_base",
    "lora_rank",
    "lora_dropout",
    "target_modules",
    "gradient_checkpointing",
    "checkpoint_as_needed",
    "keep_attention",
    "plain_weights",
    "attention",
    "fused_lora",
    "compiled_parts",
    "fused_loss",
    "cuda_graphs",
)
# What a manifest tells of a run's speed.
OF_SPEED = ("run_name", "config", "steps", "training_s", "duration_s", "hardware")
FEWEST_STEPS = 3
GIB = 1024**3


class Earlier(NamedTuple):
    """An earlier run of the same kind: seconds of a step, and seconds before and after its training."""

    name: str
    a_step: float
    besides: float


def time_parts(
    config: TrainingConfig,
    shape: BaseShape | None,
    work: Workload,
    machine: Machine,
    earlier: Earlier | None,
    checkpointed: int,
) -> tuple[Part, ...]:
    """The parts in seconds; none where there is nothing to go by. `checkpointed` layers are computed twice."""
    steps = work.steps(config)
    if earlier is not None:
        return (
            Part(STARTING, earlier.besides, f"as run {earlier.name} took, with what it measured"),
            Part(
                TRAINING,
                earlier.a_step * steps,
                f"{steps:,} steps × {earlier.a_step:.3g} s, as run {earlier.name}",
            ),
        )
    speed = _speed(machine, config)
    if shape is None or speed is None or not steps:
        return ()
    size = base_bytes(config, shape, machine.gpus > 0)
    each = batches_each(config)
    batches = steps * each
    a_batch, words = _batch_seconds(config, shape, work, machine, speed, checkpointed)
    if config.split_base:
        words += ", without what the GPUs wait for each other's layers"
    parts = [
        Part(
            STARTING,
            START_S + size / LOAD_BYTES_A_S,
            f"{START_S:.0f} s + {size / GIB:.1f} GiB of weights at {LOAD_BYTES_A_S / GIB:.2g} GiB/s",
        ),
        Part(
            TRAINING,
            batches * a_batch,
            f"{batches:,} batches{' on each GPU' if config.gpus > 1 else ''} ({steps:,} steps × {each}) × {words}",
        ),
    ]
    if config.eval_fraction > 0 and work.held_out:
        times = 1 + rhythm(config, work.rows(config)).savings(0, steps)
        tokens = work.held_out * work.row_tokens(config) / config.gpus
        once = 2 * _products(shape, work.taught(config)) * tokens / (speed.products * speed.share)
        batches_held_out = math.ceil(tokens / max(1.0, work.mean_batch(config)))
        once = max(once, batches_held_out * shape.layers * speed.launch)
        parts.append(
            Part(
                MEASURING,
                times * once,
                f"{times} times {work.held_out:,} rows of {work.row_tokens(config):,.0f} tokens"
                f"{f', shared by {config.gpus} GPUs' if config.gpus > 1 else ''}",
            )
        )
    return tuple(parts)


def pass_seconds(config: TrainingConfig, work: Workload, time: Sequence[Part]) -> float | None:
    """Seconds of the steps of one whole pass, by the parts of the whole run; None where these are not known."""
    steps = work.steps(config)
    training = [part.amount for part in time if part.what == TRAINING]
    return training[0] / steps * pass_steps(config, work.rows(config)) if training and steps else None


def earlier_run(
    manifests: Iterable[Mapping[str, Any]], config: TrainingConfig, machine: Machine
) -> Earlier | None:
    """The first of earlier runs' manifests that has the same settings of a step and was made on such a GPU."""
    for manifest in manifests:
        if found := _measured(manifest, config, machine):
            return found
    return None


class _Speed(NamedTuple):
    products: float
    share: float
    launch: float
    words: str


def _speed(machine: Machine, config: TrainingConfig) -> _Speed | None:
    """What this computer can do for such a run; None for a GPU that is not known."""
    if machine.gpus:
        named = [flops for name, flops in GPU_FLOPS.items() if _names(name, machine.gpu_name)]
        if not named:
            return None
        fast = by_document(config, True) and in_two_steps(config, True)
        share, launch = (FAST_LINEAR_SHARE, FAST_LAUNCH_S) if fast else (LINEAR_SHARE, LAUNCH_S)
        if by_graphs(config, True):
            launch = 0.0
        words = f"{share:.0%} of {named[0] / 1e12:,.0f} trillion products/s"
        return _Speed(named[0], share, launch, words)
    cores = machine.cores or 1
    return _Speed(CORE_FLOPS * cores, 1.0, 0.0, f"{cores} cores × {CORE_FLOPS / 1e9:.0f} billion products/s")


def _names(known: str, told: str) -> bool:
    """Whether a GPU's full name holds a known one as whole words: "A10" is not in "NVIDIA A100"."""
    words = told.replace("-", " ").split()
    parts = known.split()
    return any(words[at : at + len(parts)] == parts for at in range(len(words)))


def _products(shape: BaseShape, taught: float) -> float:
    """Multiply-adds of one token on its way forward, attention left out."""
    return shape.linear_parameters + shape.vocab * shape.hidden * taught


def _batch_seconds(
    config: TrainingConfig, shape: BaseShape, work: Workload, machine: Machine, speed: _Speed, checkpointed: int
) -> tuple[float, str]:
    """Seconds of one micro-batch forwards and backwards. Frozen weights ask only for the gradient of what
    flows, so backwards costs as much as forwards; gradient checkpointing goes forwards once more through the
    layers that it is on. Two operations a product."""
    tokens = work.mean_batch(config)
    rows, _ = work.largest_batch(config)
    gpu = machine.gpus > 0
    again = checkpointed / shape.layers
    linear_again = again * computed_again(config, shape, gpu) * shape.linear_parameters
    linear = 2 * tokens * (2 * _products(shape, work.taught(config)) + linear_again)
    query = shape.heads * shape.head_dim
    # Scores and sums of values over a whole row, masked or not, or over half of each conversation; backwards is
    # two and a half times forwards.
    documents = by_document(config, gpu)
    span = work.row_tokens(config) / 2 if documents else tokens / rows
    attended_again = 0.0 if keeps_attention(config, gpu) else again
    attention = 4 * tokens * span * query * shape.layers * (3.5 + attended_again)
    attention_share = MASKED_ATTENTION_SHARE if gpu and not documents else speed.share
    computing = (linear / speed.share + attention / attention_share) / speed.products
    launching = speed.launch * shape.layers * (2 + again)
    if launching > computing:
        return launching, f"{launching:.2g} s (starting {shape.layers} layers' kernels {2 + again:.2g} times)"
    return (
        computing,
        f"{computing:.2g} s ({linear / 1e12:.3g} trillion operations at {speed.words}, and attention)",
    )


def _measured(manifest: Mapping[str, Any], config: TrainingConfig, machine: Machine) -> Earlier | None:
    try:
        theirs = manifest["config"]
        usual = {one.name: one.default for one in settings_of(TrainingConfig)}
        # Manifests name files and folders without their place.
        named = {**vars(config), "data": _last(config.data), "base_model": _last(config.base_model)}
        same = all(
            (_last(theirs[name]) if name in ("data", "base_model") else theirs.get(name, usual[name]))
            == named[name]
            for name in OF_A_STEP
        )
        on = manifest.get("hardware")
        gpu = str(on.get("gpu") or "") if on else machine.gpu_name  # early manifests do not tell
        steps, training, whole = manifest["steps"], manifest["training_s"], manifest["duration_s"]
        if not same or gpu != machine.gpu_name or steps < FEWEST_STEPS:
            return None
        found = Earlier(str(manifest.get("run_name", "")), training / steps, max(0.0, whole - training))
        return found if math.isfinite(found.besides) and 0 < found.a_step < math.inf else None
    except (KeyError, TypeError, AttributeError, ZeroDivisionError):
        return None


def _last(place: Any) -> str:
    return Path(str(place)).name
