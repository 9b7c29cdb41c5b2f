"""Fits an adapter to tokenized rows: TRL's trainer with the recipe's settings, told to a `Recorder`.

Knows nothing of data files, models' names or run folders; the base is passed in and its weights stay as they are.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medreason.domain.training import RunState, TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.examples import Examples
from medreason.finetune.progress import Recorder
from medreason.finetune.recipe import lora_settings, step_count, trainer_settings


@dataclass(frozen=True)
class Fitted:
    """What came of it. `model` is the PEFT model; `stopped` says that it was asked to end early. Losses on the
    held-out rows are None where none were held out. `tokens_seen` counts what training read, padding left out."""

    model: Any
    steps: int
    stopped: bool
    first_loss: float
    last_loss: float
    held_out_before: float | None
    held_out_after: float | None
    training_s: float
    tokens_seen: int


def fit(
    base: Any,
    tokenizer: Any,
    train: Examples,
    held_out: Examples,
    config: TrainingConfig,
    recorder: Recorder,
    scratch: Path,
    stop_asked: Callable[[], bool],
) -> Fitted:
    """Train. Ends early, without a fault, at the first step after `stop_asked` turns true. Raises
    `MedReasonError` where the loss is no number or the recipe does not suit the base."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    gpu = torch.cuda.is_available()
    quantized = getattr(base, "is_loaded_in_4bit", False)
    if not gpu and not quantized:
        base = base.float()
    torch.manual_seed(config.seed)
    settings = trainer_settings(config, scratch, len(train.rows), gpu)
    if not held_out.rows:
        settings["eval_strategy"] = "no"
    if quantized:
        from peft import prepare_model_for_kbit_training

        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=config.gradient_checkpointing)
    try:
        model = get_peft_model(base, LoraConfig(**lora_settings(config)))
    except ValueError as fault:
        raise MedReasonError(
            f"The base model has no layers named {config.target_modules}. Change “Adapted layers”, for example "
            "to all-linear."
        ) from fault
    if config.gradient_checkpointing:
        model.enable_input_require_grads()
    recorder.total_steps = step_count(config, len(train.rows))

    class Reporter(TrainerCallback):
        """Tells the recorder what the trainer does, and the trainer when to stop."""

        def __init__(self) -> None:
            self.first: float | None = None
            self.last = math.nan
            self.held_out: list[tuple[int, float]] = []
            self.step_ends: list[float] = []
            self.aside_s = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.step_ends.append(time.monotonic() - self.aside_s)
            recorder.step = state.global_step
            recorder.seconds_left = self.seconds_left(state.max_steps - state.global_step)
            recorder.state(RunState.TRAINING, "Training.")
            if stop_asked():
                control.should_training_stop = True

        def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if stop_asked():
                control.should_training_stop = True

        def seconds_left(self, steps: int) -> float | None:
            """By the steps of this start, the slow first one left out; what is measured at the end included."""
            timed = len(self.step_ends) - 1
            if timed < 1:
                return None
            a_step = (self.step_ends[-1] - self.step_ends[0]) / timed
            return a_step * steps + measuring_s

        def on_log(self, args: Any, state: Any, control: Any, logs: dict | None = None, **_: Any) -> None:
            logs = logs or {}
            if "loss" in logs:
                loss = float(logs["loss"])
                self.first = loss if self.first is None else self.first
                self.last = loss
                rate = float(logs.get("learning_rate", math.nan))
                recorder.loss(state.global_step, loss, learning_rate=rate)
                print(
                    f"step {state.global_step} of {state.max_steps}: loss {loss:.4f}, learning rate {rate:.2e}, "
                    f"{recorder.elapsed_s:.0f} s",
                    flush=True,
                )
                if not math.isfinite(loss):
                    raise MedReasonError(
                        f"The loss was no number at step {state.global_step}, so the run was ended. "
                        "Lower the learning rate, then start again."
                    )

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict | None = None, **_: Any) -> None:
            loss = float((metrics or {}).get("eval_loss", math.nan))
            self.held_out.append((state.global_step, loss))
            recorder.loss(state.global_step, loss, held_out=True)
            self.aside_s += float((metrics or {}).get("eval_runtime", 0.0))
            print(f"held-out rows after step {state.global_step}: loss {loss:.4f}", flush=True)

    reporter = Reporter()
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**settings),
        train_dataset=Dataset.from_list(list(train.rows)),
        eval_dataset=Dataset.from_list(list(held_out.rows)) if held_out.rows else None,
        processing_class=tokenizer,
        callbacks=[reporter],
    )
    _drop_printer(trainer)
    measuring_s = 0.0
    if held_out.rows:
        recorder.state(RunState.TRAINING, "Measuring the loss on the held-out rows before training.")
        before = time.monotonic()
        trainer.evaluate()
        measuring_s = time.monotonic() - before
    recorder.state(RunState.TRAINING, "Training: the first step is being made.")
    began = time.monotonic()
    if not stop_asked():
        trainer.train()
    steps = trainer.state.global_step
    stopped = stop_asked() and steps < recorder.total_steps
    if held_out.rows and not stopped and reporter.held_out[-1][0] != steps:
        trainer.evaluate()
    return Fitted(
        model=model,
        steps=steps,
        stopped=stopped,
        first_loss=math.nan if reporter.first is None else reporter.first,
        last_loss=reporter.last,
        held_out_before=reporter.held_out[0][1] if reporter.held_out else None,
        held_out_after=reporter.held_out[-1][1] if reporter.held_out else None,
        training_s=time.monotonic() - began,
        tokens_seen=int(trainer.state.num_input_tokens_seen),
    )


def _drop_printer(trainer: Any) -> None:
    """The trainer's own printing of raw dictionaries would bury the run's log."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def save_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write the adapter's weights in 16 bits and its configuration, naming the base and no path."""
    import torch
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    weights = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in get_peft_model_state_dict(model, save_embedding_layers=False).items()
    }
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise MedReasonError(
            "The adapter holds numbers that are not finite, so it was not kept. Lower the learning rate, then "
            "start again."
        )
    config = model.peft_config["default"]
    config.base_model_name_or_path = base_name
    config.inference_mode = True
    if not isinstance(config.target_modules, str):
        config.target_modules = sorted(config.target_modules)  # a set would be written in another order each time
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    # The library makes the file readable to its owner alone, unlike those beside it.
    (folder / "adapter_model.safetensors").chmod(0o644)
    config.save_pretrained(folder)
