"""Fits an adapter to a tiny Qwen3 in this process, for tests of what a run does from step to step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medreason.domain.training import TrainingConfig
from medreason.finetune.progress import Recorder
from medreason.finetune.resume import Resumption
from medreason.finetune.stopping import Stopping
from medreason.finetune.task import Task, task_of
from medreason.folder import DataFolder
from medreason.models.base import LoadedBase, load_base, resolve_base

# What the libraries say to each other of their next versions; the script switches it off as well.
QUIET = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
WORDS = "fever cough pulse pain rash stiff neck onset acute chronic renal hepatic cardiac dose culture".split()
# Ten rows in batches of two, gathered by two: five batches, so three steps a pass, the last of one batch.
CONFIG = TrainingConfig(
    batch_size=2,
    accumulation=2,
    epochs=3.0,
    eval_fraction=0.25,
    lora_rank=4,
    lora_dropout=0.3,
    learning_rate=0.01,
    max_length=64,
    save_every=2,
    keep_checkpoints=9,
    log_every=1,
)


def texts(count: int, start: int = 0) -> list[tuple[str, str, str]]:
    """Rows of different lengths, none like another."""

    def words(at: int, many: int) -> str:
        return " ".join(WORDS[(at * 7 + index * (at + 3)) % len(WORDS)] for index in range(many))

    return [
        (words(at, 4), words(at + 1, 6 + at % 5), words(at + 2, 3 + at % 3)) for at in range(start, start + count)
    ]


def loaded(model: Path, quantization: str = "none", gpu: int | None = 0) -> LoadedBase:
    return load_base(resolve_base(str(model), "", DataFolder(model.parent), quantization), gpu=gpu)


@contextmanager
def group_of_one(backend: str) -> Iterator[None]:
    """This process as the only one of a run's, so that a base can be split without others."""
    import torch.distributed as dist

    dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def task(
    base: LoadedBase, run: Path, resumption: Resumption | None = None, rows: int = 10, **settings: Any
) -> Task:
    run.mkdir(exist_ok=True, parents=True)
    config = replace(CONFIG, **settings)
    return task_of(config, base, "tiny", texts(rows), texts(3, rows), "rows", run, resumption)


class AskedWhen(Stopping):
    """Is asked to end once `holds` does, without any signal."""

    def __init__(self, holds: Callable[[], bool], save: bool = True):
        self._holds = holds
        super().__init__()
        self.save = save

    @property
    def asked(self) -> bool:  # type: ignore[override]
        return self._holds()

    @asked.setter
    def asked(self, value: bool) -> None:
        pass


def fitted(
    model: Path,
    run: Path,
    resumption: Resumption | None = None,
    stop_when: Any = None,
    save: bool = True,
    **settings: Any,
) -> Any:
    """Fit on a fresh copy of the base; `stop_when` is asked, with the recorder, whether to save and end."""
    from medreason.finetune.fitting import fit

    base = loaded(model, settings.pop("quantization", "none"), gpu=None if settings.get("split_base") else 0)
    made = task(base, run, resumption, **settings)
    recorder = Recorder(run)
    stopping = AskedWhen(lambda: stop_when(recorder), save) if stop_when else Stopping()
    return fit(base.model, base.tokenizer, made, recorder, stopping)


def state_at(run: Path, step: int) -> dict[str, Any]:
    """All that a checkpoint holds, for comparing: weights, optimizer, learning rate, random numbers, counts."""
    import json

    import torch
    from safetensors.torch import load_file
    from transformers.trainer_pt_utils import safe_globals

    from medreason.finetune.checkpoints import OPTIMIZER, RANDOM, SCHEDULER, TRAINER, WEIGHTS, place_of

    place = place_of(run, step)
    with safe_globals():
        random = torch.load(place / RANDOM, weights_only=True)
    found = json.loads((place / TRAINER).read_text(encoding="utf-8"))
    return {
        "weights": load_file(place / WEIGHTS),
        "optimizer": torch.load(place / OPTIMIZER, weights_only=True),
        "scheduler": torch.load(place / SCHEDULER, weights_only=True),
        "random": random,
        "counts": {name: found[name] for name in ("global_step", "epoch", "max_steps", "num_input_tokens_seen")},
    }


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit, through any nesting."""
    import numpy as np
    import torch

    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)
