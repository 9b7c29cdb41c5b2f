"""What a run would do before it is started: rows, steps, and the time where it was measured. Loads no torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from medreason.data.rows import load_rows
from medreason.data.subset import held_out_count
from medreason.demo import CURRICULUM
from medreason.domain.training import TrainingConfig
from medreason.finetune.recipe import step_count

# Two runs that agree in these need the same time for a step.
OF_A_STEP = (
    "base_model",
    "quantization",
    "data",
    "max_length",
    "batch_size",
    "accumulation",
    "lora_rank",
    "target_modules",
    "gradient_checkpointing",
)


@dataclass(frozen=True)
class Plan:
    """What a run would do. `seconds` is measured, from an earlier run of the same kind on this computer, named
    in `measured_by`; None where there was none."""

    rows: int
    rows_in_file: int
    held_out: int
    steps: int
    seconds: float | None = None
    measured_by: str = ""


def plan_run(config: TrainingConfig, manifests: Iterable[dict[str, Any]]) -> Plan:
    """The plan of `config`; `manifests` are those of earlier runs on this computer, newest first. Raises
    `MedReasonError` where the data cannot be used."""
    in_file = _row_count(data_path(config))
    rows = min(config.max_rows or in_file, in_file)
    held_out = held_out_count(rows, config.eval_fraction)
    steps = step_count(config, rows - held_out)
    for manifest in manifests:
        if seconds := _measured(manifest, config, steps):
            return Plan(rows, in_file, held_out, steps, seconds, str(manifest.get("run_name", "")))
    return Plan(rows, in_file, held_out, steps)


def data_path(config: TrainingConfig) -> Path:
    """The file that a configuration trains on."""
    return CURRICULUM if config.data == "curriculum" else Path(config.data).expanduser()


def _row_count(path: Path) -> int:
    """Rows of a data file. Read again only when the file has changed: a form asks with every key."""
    try:
        found = path.stat()
    except OSError:
        return len(load_rows(path))
    return _counted(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=8)
def _counted(path: Path, mtime_ns: int, size: int) -> int:
    return len(load_rows(path))


def _measured(manifest: dict, config: TrainingConfig, steps: int) -> float | None:
    """Seconds that `steps` steps of `config` would take, going by an earlier run with the same settings of a
    step; None where it had others."""
    try:
        earlier = manifest["config"]
        # Manifests name files and folders without their place.
        named = {**vars(config), "data": Path(config.data).name}
        if any(earlier[name] != named[name] for name in OF_A_STEP) or manifest["steps"] < 3:
            return None
        seconds = (
            manifest["duration_s"] - manifest["training_s"] + manifest["training_s"] / manifest["steps"] * steps
        )
        return seconds if math.isfinite(seconds) and seconds > 0 else None
    except (KeyError, TypeError):
        return None
