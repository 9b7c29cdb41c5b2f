"""What a run is to fit: rows turned into tokens, and the record of what the run is made of. Importing this loads
no torch.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.examples import Examples, Texts, tokenize
from medreason.finetune.packing import pack
from medreason.finetune.recipe import step_count
from medreason.finetune.record import Made
from medreason.finetune.resume import Resumption, check_same
from medreason.models.base import LoadedBase


@dataclass(frozen=True)
class Task:
    """What is to be fitted, in which run's folder, and from which checkpoint on. `train` is packed where the
    configuration says so; `held_out` never is."""

    config: TrainingConfig
    train: Examples
    held_out: Examples
    run: Path
    made: Made
    resumption: Resumption | None = None


def task_of(
    config: TrainingConfig,
    base: LoadedBase,
    base_name: str,
    train: Iterable[Texts],
    held_out: Iterable[Texts],
    rows_name: str,
    run: Path,
    resumption: Resumption | None = None,
) -> Task:
    """The task of a run in the folder `run`, with a line on its rows for the log. Names are those that others know
    base and rows by. Raises `MedReasonError` where there is nothing to learn, and where the run would not be what
    it was at the checkpoint that it goes on from."""
    learned = to_learn(base, train, config)
    aside = tokenize(base.tokenizer, held_out, config.max_length, config.text_format)
    print(
        f"{len(learned.rows)} rows to learn from ({learned.tokens:,} tokens a pass), {len(aside.rows)} held out; "
        f"{learned.cut} rows are longer than {config.max_length} tokens and lose their end, "
        f"{learned.dropped} have nothing left to learn and are left out.",
        flush=True,
    )
    if config.packing:
        learned = pack(learned, config.max_length)
        print(f"They are packed into {len(learned.rows)} rows.", flush=True)
    if config.best_by_held_out and not aside.rows:
        print("No rows are held out, so the adapter of the last step is kept.", flush=True)
    made = Made(
        config=vars(config),
        base=base_name,
        base_sha256=base.sha256,
        precision=_precision(base),
        rows=rows_name,
        rows_sha256=hashlib.sha256(f"{learned.sha256} {aside.sha256}".encode()).hexdigest(),
        steps=step_count(config, len(learned.rows)),
    )
    if resumption is not None:
        check_same(resumption, made)
    return Task(config, learned, aside, run, made, resumption)


def to_learn(base: LoadedBase, rows: Iterable[Texts], config: TrainingConfig) -> Examples:
    """Rows as tokens, not packed. Raises `MedReasonError` where nothing is left to learn."""
    learned = tokenize(base.tokenizer, rows, config.max_length, config.text_format)
    if not learned.rows:
        raise MedReasonError(
            f"No row has anything to learn within {config.max_length} tokens. Raise “Longest row in tokens”."
        )
    return learned


def _precision(base: LoadedBase) -> str:
    """What training computes the base in: on a CPU always 32 bits, but for 4-bit layers."""
    import torch

    in_4_bits = getattr(base.model, "is_loaded_in_4bit", False)
    return base.precision if in_4_bits or torch.cuda.is_available() else "float32"
