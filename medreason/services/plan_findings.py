"""What somebody should know before a run is started, each in one sentence with its remedy. Pure but for the
environment's word on whether the hub may be asked."""

import os
from collections.abc import Iterator

from medreason.domain.dataset import SourceKind
from medreason.domain.estimate import Estimate, Finding, Machine, Severity
from medreason.domain.training import TrainingConfig
from medreason.finetune.disk_need import needed_to_run
from medreason.finetune.memory_need import base_bytes
from medreason.finetune.recipe import ONE_GPU, shared_words
from medreason.models.base_shape import BaseShape
from medreason.models.tokenizer import tokenizer_name
from medreason.services.plan_rows import CountedRows
from medreason.text.lengths import cut_off, cut_off_sentence

LARGE_FOR_A_CPU = 1e9
TIGHT = 0.95
GIB = 1024**3
CUT_WORTH_TELLING = 0.005
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
CASES_NAMED = 3


def find(
    config: TrainingConfig, shape: BaseShape | None, rows: CountedRows, needs: Estimate, machine: Machine
) -> Iterator[Finding]:
    """The findings, those about the machine first."""
    yield from _gpus(config, machine)
    yield from _memory(config, shape, needs, machine)
    yield from _disk(config, needs, machine)
    yield from _base(config, shape)
    yield from _data(config, rows)
    yield from _settings(config, rows)


def _gpus(config: TrainingConfig, machine: Machine) -> Iterator[Finding]:
    if config.gpus > max(1, machine.gpus):
        there = f"has {machine.gpus}" if machine.gpus else "has none that can be used"
        yield _refuse(
            "gpus",
            f"The run asks for {config.gpus} GPUs, and this computer {there}. Set “GPUs to use” to "
            f"{max(1, machine.gpus)}.",
        )
    elif config.split_base and config.gpus == 1:
        yield _refuse("split_base", ONE_GPU)
    elif config.accumulation % config.gpus:
        yield _warn(
            "gpus_uneven",
            f"{shared_words(config)} Choose “Batches a step” as a multiple of the GPUs to keep the steps as they "
            "are with one.",
        )


def _memory(
    config: TrainingConfig, shape: BaseShape | None, needs: Estimate, machine: Machine
) -> Iterator[Finding]:
    needed = needs.gpu_memory_bytes
    if machine.gpus:
        read = config.gpus * base_bytes(config, shape, gpu=True) if shape and config.split_base else 0.0
        if read > machine.memory > 0:
            yield _warn(
                "memory_to_split",
                f"Each of the {config.gpus} processes reads the whole base into the computer's memory before it "
                f"is split: about {_size(read)} in all, and this computer has {_size(machine.memory)}. Use fewer "
                f"GPUs{'' if config.quantization == 'nf4' else ', or nf4'}.",
            )
        if machine.gpu_memory_free and needed > TIGHT * machine.gpu_memory_free:
            yield _warn(
                "gpu_memory",
                f"The run needs about {_size(needed)} of GPU memory, and {_size(machine.gpu_memory_free)} of "
                f"{_size(machine.gpu_memory)} are free. {_less_memory(config)}",
            )
        return
    if config.optimizer == "paged_adamw_8bit":
        yield _warn(
            "paged_optimizer",
            "The optimizer paged_adamw_8bit is made for NVIDIA GPUs, and none was found: nothing is paged "
            "without one. Choose adamw_torch.",
        )
    if shape is None:
        return
    if needed > machine.memory > 0:
        yield _refuse(
            "memory",
            f"Without a GPU the run needs about {_size(needed)} of memory, and this computer has "
            f"{_size(machine.memory)}. Use a GPU, or a smaller base model such as the embedded one.",
        )
    elif shape.parameters > LARGE_FOR_A_CPU:
        days = (needs.seconds or 0) / 86_400
        long = f"takes about {days:,.0f} days" if days >= 1.5 else "takes very long"
        yield _warn(
            "no_gpu",
            f"No GPU was found, and training a base of {shape.parameters / 1e9:.1f} billion weights {long} "
            "without one. Use a computer with an NVIDIA GPU, or the embedded model.",
        )
    if config.quantization == "nf4":
        yield _warn(
            "nf4_on_cpu",
            "Without a GPU, nf4 saves memory but is slower than no quantization. Choose none to be quicker.",
        )


def _less_memory(config: TrainingConfig) -> str:
    ways = []
    if not config.gradient_checkpointing or config.checkpoint_as_needed:
        ways.append("gradient checkpointing")
    if config.quantization != "nf4":
        ways.append("nf4")
    if config.batch_size > 1:
        ways.append("fewer rows at once")
    if config.gpus > 1 and not config.split_base:
        ways.append("the base split over the GPUs")
    ways.append("shorter rows")
    return f"End what else uses the GPU (Compare can put its model away), or use {' or '.join(ways)}."


def _disk(config: TrainingConfig, needs: Estimate, machine: Machine) -> Iterator[Finding]:
    free, least = machine.disk_free, needed_to_run(needs.disk)
    if not needs.disk or not free:
        return
    if free < least:
        yield _refuse(
            "disk",
            f"The run needs about {_size(least)} of disk, and {_size(free)} are free where the data folder is. "
            f"Make room there{', or keep fewer checkpoints' if config.keep_checkpoints > 1 else ''}.",
        )
    elif free < needs.disk_bytes:
        yield _warn(
            "disk_merge",
            "The disk has room for the run, but not to merge its adapter into the base later: that needs about "
            f"{_size(needs.disk_bytes)} in all, and {_size(free)} are free. Make room before you merge.",
        )


def _base(config: TrainingConfig, shape: BaseShape | None) -> Iterator[Finding]:
    if shape is None:
        yield _warn(
            "unknown_base",
            f"What {tokenizer_name(config.base_model)} needs cannot be reckoned, since its shape is not known "
            "here yet. Watch the memory in the first steps.",
        )
        return
    if not shape.adapted(config.target_modules):
        yield _refuse(
            "adapted_layers",
            f"The base has no layers named {config.target_modules}. Give some of {', '.join(shape.linears)}, or "
            "all-linear.",
        )
    if 0 < shape.positions < config.max_length and not config.packing:
        yield _warn(
            "max_length",
            f"The base model was made for at most {shape.positions:,} tokens, and the longest row is set to "
            f"{config.max_length:,}. Lower “Longest row in tokens”.",
        )
    if not shape.on_disk:
        size = _size(2 * shape.parameters)
        if offline():
            yield _refuse(
                "base_offline",
                f"{config.base_model} is not on this computer, and the hub may not be asked (offline mode is "
                "set). Go online, or give a folder.",
            )
        else:
            yield _warn(
                "base_download",
                f"{config.base_model} is not on this computer yet: the run first fetches about {size}.",
            )


def _data(config: TrainingConfig, rows: CountedRows) -> Iterator[Finding]:
    if rows.source.kind is SourceKind.HUB and offline():
        yield _refuse(
            "data_offline",
            f"The data set {config.data} is fetched from the hub, which may not be asked (offline mode is set). "
            "Go online, or give a file or prepared data.",
        )
    elif rows.overlaps is None:
        yield _warn(
            "overlap_unknown",
            "Whether training rows are like cases of the deck is not known before the data have been read. "
            "Prepare them first to see.",
        )
    if rows.overlaps:
        equal = sum(one.similarity >= 1 for one in rows.overlaps)
        named = ", ".join(one.case_id for one in rows.overlaps[:CASES_NAMED])
        more = f" and {len(rows.overlaps) - CASES_NAMED} more" if len(rows.overlaps) > CASES_NAMED else ""
        yield _warn(
            "overlap",
            f"{_cases(len(rows.overlaps))} of the deck {'is' if len(rows.overlaps) == 1 else 'are'} like "
            f"training rows ({equal} equal): {named}{more}. What the model says there shows memory, not "
            "reasoning; leave those cases out, or other rows in.",
        )
    if rows.work.train < 1:
        yield _refuse("no_rows", "There is no row left to train on. Use more rows, or hold out fewer.")


def _settings(config: TrainingConfig, rows: CountedRows) -> Iterator[Finding]:
    cut = rows.work.cut(config)
    if cut > CUT_WORTH_TELLING:
        if rows.measured is not None:
            words = cut_off_sentence(cut_off(rows.measured, config.max_length))
            words += f" {rows.proposed_max_length:,} keeps nearly every row whole."
        else:
            words = (
                f"About {100 * cut:.0f} % of the rows are longer than {config.max_length:,} tokens and lose "
                "their end."
            )
        yield _warn("rows_cut", f"{words} Raise “Longest row in tokens” where memory allows.")
    if rows.measured is not None and rows.measured.tokenizer != tokenizer_name(config.base_model):
        yield _warn(
            "other_tokenizer",
            f"The prepared data were measured with the tokenizer of {rows.measured.tokenizer}, so their lengths "
            "differ somewhat with this base. Prepare them for this base to have them exact.",
        )
    if config.text_format == "article":
        yield _warn(
            "text_format",
            "Compare asks in the model's own chat template, so part of what is learned in the article's format "
            "will not show. Choose chat, unless you want to repeat the article to the letter.",
        )
    if config.best_by_held_out and not rows.work.held_out:
        yield _warn(
            "nothing_held_out",
            "The best adapter is told by the loss on held-out rows, and none are held out, so the last step is "
            "kept. Hold some rows out, or turn “Keep the best adapter” off.",
        )


def offline() -> bool:
    """Whether the environment forbids to ask the hub."""
    return any(os.environ.get(name, "").strip().upper() in ("1", "ON", "YES", "TRUE") for name in OFFLINE)


def _cases(count: int) -> str:
    return f"{count} case{'' if count == 1 else 's'}"


def _size(amount: float) -> str:
    return f"{amount / GIB:,.1f} GiB" if amount >= 0.1 * GIB else f"{amount / 1024**2:,.0f} MiB"


def _warn(key: str, text: str) -> Finding:
    return Finding(Severity.WARNING, key, text)


def _refuse(key: str, text: str) -> Finding:
    return Finding(Severity.ERROR, key, text)
