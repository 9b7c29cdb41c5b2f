"""How quickly presets train, side by side: short real runs, each in a process of its own by the script that makes
real ones, against the first of them and against what the processor can do.

Tokens are useful ones, padding left out; the first steps, which compile and warm up, are not counted.
"""

import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medreason.bench.memory_runs import each, figure, run_script, slug
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.config_file import write_config
from medreason.finetune.memory_need import computed_again
from medreason.finetune.progress import read_losses
from medreason.finetune.ranks import ON_CPU
from medreason.folder import DataFolder
from medreason.models.base_shape import BaseShape, base_shape
from medreason.models.gpu_lock import gpu_count
from medreason.models.machine import ThisMachine
from medreason.services.training_plan import TrainingPlan

SKIPPED = 4  # steps that are not counted
WHOLE_EPOCH_ROWS = 19_704  # of FreedomIntelligence/medical-o1-reasoning-SFT, "en"
PRODUCT = 8192
TIMES = 20


def check_gpus(gpus: Sequence[int]) -> None:
    """Raise `MedReasonError` for numbers of GPUs that cannot be measured here."""
    there = gpu_count()
    if min(gpus) < 1 or len(set(gpus)) < len(gpus):
        raise MedReasonError(f"--gpus is {' '.join(map(str, gpus))}: give numbers from 1, each once.")
    if max(gpus) > max(1, there) and (there or os.environ.get(ON_CPU) != "1"):
        raise MedReasonError(
            f"--gpus asks for {max(gpus)} GPUs, and this computer has {there or 'none'}, so the ratio cannot be "
            "measured here."
        )


def measure(
    presets: Sequence[str],
    base: Path,
    rows: str,
    steps: int,
    overrides: Sequence[str],
    gpus: Sequence[int] = (1,),
) -> list[dict[str, object]]:
    """A row a figure. The first preset is what the others are compared with; each preset is run with every number
    of `gpus`, against itself with the first of them."""
    found: list[dict[str, object]] = []
    speeds: dict[str, float] = {}  # with the first number of GPUs
    peak = product_flops()
    for number in gpus:
        words = [*overrides, f"gpus={number}"] if len(gpus) > 1 or number > 1 else overrides
        again = number != gpus[0]
        ending = f"_{number}_gpus" if again else ""
        for name, config, folder in each(presets, base, rows, steps, words):
            speed, checkpointed, more = _run(name, config, folder)
            print(f"{name}: {speed:.0f} useful tokens a second, GPUs: {number}", file=sys.stderr, flush=True)
            speeds.setdefault(name, speed)
            against = f"with {number} GPUs against {gpus[0]}" if again else f"against {presets[0]}"
            what, other = f"{name}: useful tokens a second {against}", speeds[name if again else presets[0]]
            found.append(figure(f"train_{slug(name)}{ending}", what, speed, "tokens/s", other))
            found += [{**row, "id": f"{row['id']}{ending}"} for row in more]
            shape = base_shape(config, folder)
            if peak and shape is not None and not again:
                used_again = checkpointed / shape.layers * computed_again(config, shape, gpu=True)
                most = peak / flops_a_token(shape, used_again)
                what = f"{name}: against all products at the {peak / 1e12:.0f} TFLOP/s of one large product"
                found.append(figure(f"ceiling_{slug(name)}", what, speed, "tokens/s", most))
    return found


def flops_a_token(shape: BaseShape, again: float) -> float:
    """Operations of one token there and back: two a weight forwards, two for the gradient of what flows (frozen
    weights ask for no gradient of their own), two more for the share of the layers' weights that is used `again`.
    Attention and the adapter are left out."""
    head = shape.vocab * shape.hidden
    return 2.0 * (2 * (shape.linear_parameters + head) + again * shape.linear_parameters)


def product_flops() -> float:
    """Operations a second of one large product in 16 bits on the GPU; 0 without one. Measured beside the runs,
    since clocks differ from day to day."""
    import torch

    if not torch.cuda.is_available():
        return 0.0
    one, other = (torch.randn(PRODUCT, PRODUCT, dtype=torch.bfloat16, device="cuda") for _ in range(2))
    seconds = []
    for _ in range(3):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(TIMES):
            one @ other
        torch.cuda.synchronize()
        seconds.append((time.perf_counter() - began) / TIMES)
    del one, other
    torch.cuda.empty_cache()
    return 2 * PRODUCT**3 / statistics.median(seconds)


def _run(name: str, config: TrainingConfig, folder: DataFolder) -> tuple[float, int, list[dict[str, object]]]:
    """Useful tokens a second, the layers that were checkpointed, and figures besides."""
    folder.prepare()
    planned = TrainingPlan(folder, ThisMachine(folder.root)).plan(config).estimate
    run = folder.runs / "measured"
    write_config(config, folder.root / "config.yaml")
    print(f"{name}: running {config.max_steps} steps", file=sys.stderr, flush=True)
    manifest = run_script(name, folder, run)
    points = [point for point in read_losses(run) if not point.held_out and point.tokens_per_s]
    counted = [float(point.tokens_per_s or 0) for point in points if point.step > SKIPPED]
    speed = statistics.median(counted)
    again = manifest["checkpointed_layers"]
    return speed, again, list(_besides(name, manifest, points[0].elapsed_s, speed, planned.gpu_memory_bytes / 1e9))


def _besides(name: str, manifest: dict[str, Any], first_s: float | None, speed: float, planned_gb: float) -> Any:
    kept = manifest["peak_memory_gib"]
    if kept.get("gpu"):
        what = f"{name}: peak memory, allocated, against the plan"
        yield figure(f"peak_{slug(name)}", what, kept["gpu"] * 2**30 / 1e9, "GB", planned_gb)
    if first_s is not None:
        yield figure(f"first_{slug(name)}", f"{name}: start of the script to the first step", first_s, "s", 0)
    rows = manifest["data"]["train_rows"]
    a_row = manifest.get("tokens_a_pass", 0) / rows if rows else 0
    if a_row:
        minutes = WHOLE_EPOCH_ROWS * a_row / speed / 60
        what = f"{name}: one pass over {WHOLE_EPOCH_ROWS:,} rows of {a_row:,.0f} tokens, reckoned"
        yield figure(f"epoch_{slug(name)}", what, minutes, "min", 0)
