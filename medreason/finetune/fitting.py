"""Fits an adapter to tokenized rows: TRL's trainer with the recipe's settings, told to a `Recorder`.

Knows nothing of data files and models' names; the base is passed in and its weights stay as they are.
"""

import resource
import shutil
import sys
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback
from trl import SFTConfig

from medreason.domain.run import Checkpoint, LossPoint, RunState
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.board import open_board
from medreason.finetune.callbacks import Reporter
from medreason.finetune.checkpoints import WEIGHTS, best_of, clear_unfinished, place_of, read_checkpoints, verified
from medreason.finetune.fast.checkpointing import layers_to_checkpoint
from medreason.finetune.fast.path import keep_weights, keeps_16_bits, own_loss, replay, take
from medreason.finetune.progress import Recorder, cut_after, read_losses
from medreason.finetune.ranks import ALONE, Ranks
from medreason.finetune.recipe import lora_settings, rhythm, step_count, trainer_settings
from medreason.finetune.resume import Resumption
from medreason.finetune.sharded import split
from medreason.finetune.sharing import with_blank
from medreason.finetune.stopping import Stopping
from medreason.finetune.task import Task
from medreason.finetune.trainer import RunTrainer
from medreason.finetune.weights import load_exact

SCRATCH = ".scratch"


@dataclass(frozen=True)
class Fitted:
    """What came of it. `model` is the PEFT model, with the weights as they were after `adapter_step`; `stopped`
    says that it was asked to end early; `checkpointed_layers` were computed twice. What was not measured is None.
    Times are seconds over all starts of the run; `tokens_seen` counts what training read, padding left out; memory
    is the highest of a process, in GiB."""

    model: Any
    steps: int
    total_steps: int
    stopped: bool
    adapter_step: int
    best_step: int | None
    resumed_from: int | None
    first_loss: float | None
    last_loss: float | None
    held_out_before: float | None
    held_out_after: float | None
    training_s: float
    tokens_seen: int
    checkpointed_layers: int
    gpu_memory_gib: float | None
    gpu_reserved_gib: float | None
    memory_gib: float


def fit(
    base: Any, tokenizer: Any, task: Task, recorder: Recorder, stopping: Stopping, ranks: Ranks = ALONE
) -> Fitted:
    """Train. Ends early, without a fault, after the batch at hand once `stopping` asks to save, and at once where
    it does not. Called in all of several processes; only the first writes. Raises `MedReasonError` where the loss
    is no number or the recipe does not suit the base."""
    config, rows = task.config, len(task.train.rows)
    total = recorder.total_steps = step_count(config, rows)
    at = task.resumption.step if task.resumption else 0
    torch.manual_seed(config.seed)
    model = dressed(base, config)
    if config.split_base:
        print(split(model, ranks), flush=True)
    if task.resumption:
        recorder.step = recorder.resumed_from = at
    if ranks.first:
        clear_unfinished(task.run)
        if task.resumption:
            cut_after(task.run, at)
    board = open_board(task.run, at) if config.tensorboard and ranks.first else None
    reporter = Reporter(recorder, rhythm(config, rows), stopping, bool(task.held_out.rows), board, ranks)
    trainer = trainer_of(model, tokenizer, task, reporter)
    try:
        busy_s = _train(trainer, reporter, recorder, stopping, task.resumption, total)
        ranks.gathered(None)  # nobody still looks into the folder that now goes
    finally:
        if board is not None:
            board.close()
        if ranks.first:
            shutil.rmtree(task.run / SCRATCH, ignore_errors=True)
    # From here on the run comes to its own end: a request to stop comes too late.
    stopping.finishing = True
    steps = recorder.step
    best = _take_best(model, task, steps) if steps >= total and ranks.first else None
    return _fitted(trainer, task, steps, total, best, trainer.training_before_s + busy_s)


def trainer_of(model: Any, tokenizer: Any, task: Task, reporter: Reporter) -> RunTrainer:
    """The trainer of a task, which tells `reporter` what it does."""
    resumption = task.resumption
    gpu = torch.cuda.is_available()
    shared = with_blank if reporter.ranks.count > 1 else list
    settings = trainer_settings(task.config, task.run / SCRATCH, len(task.train.rows), gpu)
    # Where all is in 16 bits already, the library's casting would only look at every product.
    settings["bf16"] = gpu and not keeps_16_bits(model, task.config)
    layers = max(reporter.ranks.gathered(layers_to_checkpoint(model, task.config, task.train.lengths)))
    settings["gradient_checkpointing"] = layers > 0
    if task.config.packing:
        # The library would wait for the GPU to count the tokens of each row, and only then prepare the next one.
        settings["include_num_input_tokens_seen"] = "no"
    lines = keep_weights(model, task.config, layers, task.train.lengths, gpu)
    for line in lines + replay(model, task.config, task.train.rows, gpu):
        print(line, flush=True)
    trainer = RunTrainer(
        reporter=reporter,
        run=task.run,
        made=task.made,
        most=task.config.keep_checkpoints,
        checkpointed_layers=layers,
        training_before_s=resumption.marker.training_s if resumption else 0.0,
        model=model,
        args=SFTConfig(**settings),
        train_dataset=Dataset.from_list(shared(task.train.rows)),
        eval_dataset=Dataset.from_list(shared(task.held_out.rows)) if task.held_out.rows else None,
        processing_class=tokenizer,
    )
    for line in own_loss(trainer, task.config, gpu):
        print(line, flush=True)
    # The library's printing of raw dictionaries would bury the run's log.
    trainer.remove_callback(PrinterCallback)
    return trainer


def dressed(base: Any, config: TrainingConfig) -> Any:
    """The base with a fresh adapter, ready to train: in 32 bits on a CPU, on 4-bit layers where it has those.
    PEFT's preparation of such a base would raise what passes between its layers to 32 bits, for a third more
    memory."""
    quantized = getattr(base, "is_loaded_in_4bit", False)
    if quantized:
        _keep_gradients(base)
    elif not torch.cuda.is_available():
        base = base.float()
    try:
        model = get_peft_model(base, LoraConfig(**lora_settings(config)))
    except ValueError as fault:
        raise MedReasonError(
            f"The base model has no layers named {config.target_modules}. Change “Adapted layers”, for example "
            "to all-linear."
        ) from fault
    if config.gradient_checkpointing:
        model.enable_input_require_grads()
    for line in take(model, config, torch.cuda.is_available()):
        print(line, flush=True)
    return model


def _keep_gradients(base: Any) -> None:
    """On a CPU with 16-bit instructions bitsandbytes repacks 4-bit weights when a layer is first run outside
    training, be it to measure or to generate, and from then on gives no gradient, without any error."""
    for layer in base.modules():
        if not hasattr(layer, "support_avx512bf16_for_cpu"):
            continue
        if getattr(layer.weight.quant_state, "packing_format_for_cpu", False):
            raise MedReasonError(
                "The 4-bit base has been used to generate before, so it could not learn. Start the run again in a "
                "process of its own."
            )
        layer.support_avx512bf16_for_cpu = False


def _train(
    trainer: RunTrainer,
    reporter: Reporter,
    recorder: Recorder,
    stopping: Stopping,
    resumption: Resumption | None,
    total: int,
) -> float:
    """Make the steps; gives the seconds spent on them."""
    stopping.training = True
    if resumption and resumption.step >= total:
        load_exact(trainer.model, resumption.place / WEIGHTS)  # only the adapter was still to be written
        return 0.0
    if reporter.measures and not resumption:
        trainer.evaluate()
        trainer.begin_anew()
    if reporter.asked():
        return 0.0
    if reporter.ranks.rank and not resumption:
        # Each process leaves other inputs out where dropout acts.
        torch.manual_seed(trainer.args.seed + reporter.ranks.rank)
    which = "first" if resumption is None else "next"
    recorder.state(RunState.TRAINING, f"Training: the {which} step is being made.")
    trainer.train(resume_from_checkpoint=str(resumption.place) if resumption else None)
    return reporter.busy_s


def _take_best(model: Any, task: Task, steps: int) -> Checkpoint | None:
    """Where the best is asked for, put the weights of the checkpoint with the lowest held-out loss into
    `model`."""
    best = best_of(read_checkpoints(task.run)) if task.config.best_by_held_out else None
    if best is None or best.step == steps:
        return best
    place = place_of(task.run, best.step)
    try:
        verified(place)
    except MedReasonError as fault:
        raise MedReasonError(
            f"The best checkpoint, that of step {best.step}, cannot be used: {fault}. Resume the run with “Keep "
            "the best adapter” off to keep the last step instead."
        ) from fault
    load_exact(model, place / WEIGHTS)
    return best


def _fitted(
    trainer: RunTrainer, task: Task, steps: int, total: int, best: Checkpoint | None, training_s: float
) -> Fitted:
    points = read_losses(task.run)
    learned = [point for point in points if not point.held_out]
    measured = [point for point in points if point.held_out]
    adapter_step = best.step if best else steps
    gpu = torch.cuda.is_available()
    ranks = trainer.ranks
    return Fitted(
        model=trainer.model,
        steps=steps,
        total_steps=total,
        stopped=steps < total,
        adapter_step=adapter_step,
        best_step=min(measured, key=_order).step if measured else None,
        resumed_from=task.resumption.step if task.resumption else None,
        first_loss=learned[0].loss if learned else None,
        last_loss=learned[-1].loss if learned else None,
        held_out_before=next((point.loss for point in measured if point.step == 0), None),
        held_out_after=next((point.loss for point in reversed(measured) if 0 < point.step <= adapter_step), None),
        training_s=training_s,
        tokens_seen=int(trainer.state.num_input_tokens_seen),
        checkpointed_layers=trainer.checkpointed_layers,
        gpu_memory_gib=max(ranks.gathered(torch.cuda.max_memory_allocated())) / 2**30 if gpu else None,
        gpu_reserved_gib=max(ranks.gathered(torch.cuda.max_memory_reserved())) / 2**30 if gpu else None,
        memory_gib=max(ranks.gathered(_peak_bytes())) / 2**30,
    )


def _order(point: LossPoint) -> tuple[float, int]:
    return point.loss, point.step


def _peak_bytes() -> int:
    """The most memory this process has had; Linux counts it in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
