"""Turns a training configuration into what PEFT, bitsandbytes and TRL take. Every setting of the configuration
acts through one of these functions, through the data (rows, seed, held-out share) or through the base (model,
revision, quantization). Nothing here knows of files or processes. Importing this loads no torch.
"""

import math
from pathlib import Path
from typing import Any

from medreason.domain.training import TrainingConfig

MOST_LOGGED_STEPS = 500
LONGEST_LOG_GAP = 10


def step_count(config: TrainingConfig, rows: int) -> int:
    """Steps of a run over `rows` training rows: what a plan promises and what the trainer is told."""
    if rows < 1:
        return 0
    batches = math.ceil(rows / config.batch_size)
    a_pass = math.ceil(batches / config.accumulation)
    steps = max(1, math.ceil(config.epochs * a_pass))
    return min(steps, config.max_steps) if config.max_steps else steps


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
        "gradient_accumulation_steps": config.accumulation,
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
        "packing": False,
        # The rows come with their tokens and labels, so that what is trained is what is asked, token for token.
        "dataset_kwargs": {"skip_prepare_dataset": True},
        "bf16": gpu,
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
        # Beyond ten steps apart a loss that is no number would run on unseen.
        "logging_steps": min(max(1, steps // MOST_LOGGED_STEPS), LONGEST_LOG_GAP),
        "include_num_input_tokens_seen": "non_padding",
        "logging_nan_inf_filter": False,
        "eval_strategy": "epoch" if config.eval_fraction > 0 else "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
