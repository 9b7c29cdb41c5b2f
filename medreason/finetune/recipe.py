"""Turns a training configuration into what PEFT, bitsandbytes and TRL take, and into the run's rhythm. Every
setting of the configuration acts through one of these functions, through the data (which rows, in which text),
through the base (model, revision, quantization) or through the checkpoints. Nothing here knows of files or
processes. Importing this loads no torch.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medreason.domain.training import TrainingConfig

MOST_LOGGED_STEPS = 500
LONGEST_CHECK_GAP = 10
ONE_GPU = "A base is split over two or more GPUs. Turn “Split the base over the GPUs” off, or raise “GPUs to use”."


@dataclass(frozen=True)
class Rhythm:
    """After which steps what is done. `check_every`: the loss is looked at, at most ten steps apart, so that one
    that is no number cannot run on unseen; it divides `log_every`: the loss is written down. `save_every`: the
    held-out loss is measured and a checkpoint kept. The last step does all three."""

    check_every: int
    log_every: int
    save_every: int

    def logs(self, step: int, total: int) -> bool:
        return step == 1 or step % self.log_every == 0 or step >= total

    def saves(self, step: int, total: int) -> bool:
        return step % self.save_every == 0 or step >= total

    def checks(self, step: int, total: int) -> bool:
        return step % self.check_every == 0 or self.logs(step, total) or self.saves(step, total)

    def savings(self, after: int, total: int) -> int:
        """How often it is still saved after step `after`."""
        if after >= total:
            return 0
        return total // self.save_every - after // self.save_every + (total % self.save_every > 0)


def batches_each(config: TrainingConfig) -> int:
    """Batches that each GPU gathers before a step: those of the step shared out, and one more where they do not
    divide evenly."""
    return math.ceil(config.accumulation / config.gpus)


def shared_words(config: TrainingConfig) -> str:
    """How several GPUs share the work of a step, in a sentence; empty for one."""
    if config.gpus == 1:
        return ""
    each, all_of = batches_each(config), batches_each(config) * config.gpus
    batches = f"{config.accumulation} batch{'es' if config.accumulation > 1 else ''}"
    kept = f" Each keeps 1/{config.gpus} of the base's layers and borrows the rest." if config.split_base else ""
    if all_of == config.accumulation:
        said = f"{config.gpus} GPUs share the {batches} of each step, {each} each: the steps stay what they were."
        return said + kept
    return (
        f"{config.gpus} GPUs cannot share the {batches} of each step evenly, so each takes {each}: a step sees "
        f"{all_of} batches, and there are fewer steps.{kept}"
    )


def pass_steps(config: TrainingConfig, rows: int) -> int:
    """Steps of one pass over `rows` training rows, which with packing are the packed ones."""
    batches = math.ceil(rows / config.batch_size)
    return math.ceil(math.ceil(batches / config.gpus) / batches_each(config))


def step_count(config: TrainingConfig, rows: int) -> int:
    """Steps of a run over `rows` training rows: what a plan promises and what the trainer is told."""
    if rows < 1:
        return 0
    steps = max(1, math.ceil(config.epochs * pass_steps(config, rows)))
    return min(steps, config.max_steps) if config.max_steps else steps


def rhythm(config: TrainingConfig, rows: int) -> Rhythm:
    log = config.log_every or min(max(1, step_count(config, rows) // MOST_LOGGED_STEPS), LONGEST_CHECK_GAP)
    check = max(gap for gap in range(1, LONGEST_CHECK_GAP + 1) if log % gap == 0)
    return Rhythm(check, log, config.save_every or max(1, pass_steps(config, rows)))


def lora_settings(config: TrainingConfig) -> dict[str, Any]:
    """Arguments of `LoraConfig`. The start leaves the base as it is, so one base serves both arms."""
    layers = [layer.strip() for layer in config.target_modules.split(",")]
    return {
        "r": config.lora_rank,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "target_modules": "all-linear" if layers == ["all-linear"] else layers,
        "bias": "none",
        "task_type": "CAUSAL_LM",
        "init_lora_weights": True,
    }


def trainer_settings(config: TrainingConfig, scratch: Path, rows: int, gpu: bool) -> dict[str, Any]:
    """Arguments of `SFTConfig`. On a CPU everything is computed in 32 bits: without 16-bit instructions, which
    many have not, 16 bits are many times slower there."""
    steps = step_count(config, rows)
    return {
        "output_dir": str(scratch),
        "max_steps": steps,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "gradient_accumulation_steps": batches_each(config),
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.scheduler if config.scheduler != "constant" else "constant_with_warmup",
        "warmup_steps": math.ceil(steps * config.warmup_share),
        "optim": config.optimizer,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "gradient_checkpointing": config.gradient_checkpointing,
        "seed": config.seed,
        "data_seed": config.seed,
        "max_length": config.max_length,
        # The rows come packed; this has the collator restart the positions of each conversation and leave the mask
        # of a whole row away, from which the attention follows that never looks across.
        "packing": config.packing,
        "packing_strategy": "bfd",
        # The rows come with their tokens and labels, so that what is trained is what is asked, token for token.
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "bf16": gpu,
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
        # Rows leave for the GPU while it still works on those before.
        "accelerator_config": {"non_blocking": gpu},
        "dataloader_num_workers": config.loader_workers,
        # Packed rows hold no padding; where the padding token ends a turn, counting by the token would miss those.
        "include_num_input_tokens_seen": "all" if config.packing else "non_padding",
        # Several GPUs: every adapter's weight gets a gradient in every step, and nothing else changes.
        "ddp_find_unused_parameters": False,
        "ddp_broadcast_buffers": False,
        "logging_nan_inf_filter": False,
        # When to log, measure and save is the rhythm's business, also where a run goes on with another one.
        "logging_strategy": "no",
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
