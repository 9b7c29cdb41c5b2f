"""What a run leaves behind: the adapter's folder, built aside and put in place whole."""

import os
import platform
import shutil
from pathlib import Path
from typing import Any

from medreason.finetune.fitting import Fitted
from medreason.finetune.manifest import ADAPTER, WEIGHTS_FILE, versions, write_manifest
from medreason.finetune.model_card import model_card
from medreason.finetune.task import Task
from medreason.finetune.weights import save_adapter
from medreason.models.base import LoadedBase
from medreason.models.hashes import file_sha256
from medreason.text.template import template_sha256
from medreason.whole_file import sync

BUILDING, OLD = ".adapter.building", ".adapter.old"


def write_adapter(base: LoadedBase, task: Task, fitted: Fitted, data: dict[str, Any], elapsed_s: float) -> Path:
    """Write weights, tokenizer, card and manifest into `adapter/` of the run: all of it or nothing. `data` says
    where the rows came from and keeps the record of their questions. Places of this machine appear nowhere."""
    building = task.run / BUILDING
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    save_adapter(fitted.model, building, task.made.base)
    save_tokenizer(base.tokenizer, building)
    manifest = describe(base, task, fitted, data, elapsed_s)
    manifest["adapter_sha256"] = file_sha256(building / WEIGHTS_FILE)
    (building / "README.md").write_text(model_card(manifest), encoding="utf-8")
    write_manifest(building, manifest)
    for path in (*building.iterdir(), building):
        sync(path)
    return _put(building, task.run / ADAPTER)


def describe(
    base: LoadedBase, task: Task, fitted: Fitted, data: dict[str, Any], elapsed_s: float
) -> dict[str, Any]:
    """The manifest, but for the hash of the weights."""
    config = {**vars(task.config), "data": data["name"]}
    config["base_model"] = task.config.base_model if task.config.base_model == "embedded" else task.made.base
    training_s = round(fitted.training_s, 1)
    return {
        "run_name": task.config.run_name,
        "base_model": task.made.base,
        "base_revision": base.revision,
        "base_sha256": base.sha256,
        "precision": task.made.precision,
        "template_sha256": template_sha256(base.tokenizer),
        "adapter_sha256": "",
        "config": config,
        "data": {
            **{key: value for key, value in data.items() if key != "questions"},
            "rows_sha256": task.made.rows_sha256,
            "cut_rows": task.train.cut,
            "left_out_rows": task.train.dropped,
            "packed_rows": len(task.train.rows) if task.config.packing else None,
        },
        "losses": {
            "first": fitted.first_loss,
            "last": fitted.last_loss,
            "held_out_before": fitted.held_out_before,
            "held_out_after": fitted.held_out_after,
        },
        "steps": fitted.steps,
        "total_steps": fitted.total_steps,
        "stopped_at": fitted.steps if fitted.stopped else None,
        "resumed_from": fitted.resumed_from,
        "best_step": fitted.best_step,
        "adapter_step": fitted.adapter_step,
        "duration_s": round(elapsed_s, 1),
        "training_s": training_s,
        "tokens_seen": fitted.tokens_seen,
        "tokens_per_s": round(fitted.tokens_seen / training_s, 1) if training_s else None,
        "tokens_a_pass": task.train.tokens,
        "taught_tokens_a_pass": task.train.taught_tokens,
        "checkpointed_layers": fitted.checkpointed_layers,
        "peak_memory_gib": {
            "gpu": _rounded(fitted.gpu_memory_gib),
            "gpu_reserved": _rounded(fitted.gpu_reserved_gib),
            "process": _rounded(fitted.memory_gib),
        },
        "hardware": hardware(),
        "versions": versions(),
        "questions": data["questions"],
    }


def hardware() -> dict[str, Any]:
    """The machine, in what matters for speed and for numbers."""
    import psutil
    import torch

    found: dict[str, Any] = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": _rounded(psutil.virtual_memory().total / 2**30),
        "gpu": None,
    }
    if torch.cuda.is_available():
        seen = torch.cuda.get_device_properties(0)
        found["gpu"], found["cuda"] = seen.name, torch.version.cuda
        found["gpu_memory_gib"] = _rounded(seen.total_memory / 2**30)
    return found


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """The tokenizer and its chat template, without what only says how they were loaded here."""
    kept = dict(tokenizer.init_kwargs)
    for name in ("local_files_only", "name_or_path", "is_local"):
        tokenizer.init_kwargs.pop(name, None)
    try:
        tokenizer.save_pretrained(folder)
    finally:
        tokenizer.init_kwargs.update(kept)


def clear_unfinished_adapter(run: Path) -> None:
    """Remove what was being built when a process ended; an adapter that was being replaced comes back."""
    shutil.rmtree(run / BUILDING, ignore_errors=True)
    if (run / OLD).is_dir() and not (run / ADAPTER).exists():
        os.replace(run / OLD, run / ADAPTER)
    shutil.rmtree(run / OLD, ignore_errors=True)


def _put(building: Path, place: Path) -> Path:
    """Put a whole adapter in place, in that of an earlier one where a stopped run has kept one."""
    old = place.with_name(OLD)
    if place.exists():
        os.replace(place, old)
    os.replace(building, place)
    sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)
    return place


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 2)
