"""How quickly presets train, side by side: short real runs, each in a process of its own by the script that makes
real ones, against the first of them and against what the processor can do.

Tokens are useful ones, padding left out; the first steps, which compile and warm up, are not counted. The same
recipe with the libraries as they come can stand beside them (`libraries.py`).
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from medreason.bench.memory_runs import done, each, figure, run_script, slug
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.config_file import write_config
from medreason.finetune.memory_need import computed_again
from medreason.finetune.presets import ARTICLE, FAST, SMALL_GPU
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
LIBRARIES = "medreason.bench.libraries"
SHORT = {FAST: "fast", SMALL_GPU: "small"}


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
    libraries: bool = False,
) -> list[dict[str, object]]:
    """A row a figure. The first preset is what the others are compared with; each preset is run with every number
    of `gpus`, against itself with the first of them. With `libraries`, the article's recipe is first run by these
    alone, and each preset compared with that too."""
    speeds: dict[str, float] = {}  # with the first number of GPUs
    peak = product_flops()
    alone, found = _by_libraries(base, rows, steps, overrides) if libraries else (0.0, [])
    for number in gpus:
        words = [*overrides, f"gpus={number}"] if len(gpus) > 1 or number > 1 else overrides
        again = number != gpus[0]
        ending = f"_{number}_gpus" if again else ""
        first = str(gpus[0]) if again else short_name(presets[0])
        for name, config, folder in each(presets, base, rows, steps, words):
            speed, checkpointed, more = _run(name, config, folder)
            print(f"{name}: {speed:.0f} useful tokens a second, GPUs: {number}", file=sys.stderr, flush=True)
            speeds.setdefault(name, speed)
            against = f"with {number} GPUs against {gpus[0]}" if again else f"against {presets[0]}"
            what, other = f"{name}: useful tokens a second {against}", speeds[name if again else presets[0]]
            own = short_name(name)
            which = f"{own}{ending}_vs_{first}" if again or name != presets[0] else f"train_{own}"
            found.append(figure(which, what, speed, "tokens/s", other))
            if alone and not again:
                what = f"{name}: useful tokens a second against {ARTICLE} with the libraries alone"
                found.append(figure(f"{own}_vs_libraries", what, speed, "tokens/s", alone))
            found += [{**row, "id": f"{row['id']}{ending}"} for row in more]
            if peak and not again:
                found += _ceiling(name, config, folder, speed, checkpointed, number * peak)
    return found


def _ceiling(
    name: str, config: TrainingConfig, folder: DataFolder, speed: float, checkpointed: int, peak: float
) -> list[dict[str, object]]:
    """What all products of a token would allow at `peak` operations a second, of all GPUs together."""
    shape = base_shape(config, folder)
    if shape is None:
        return []
    used_again = checkpointed / shape.layers * computed_again(config, shape, gpu=True)
    which = "share_of_ceiling" if name == FAST else f"share_of_ceiling_{short_name(name)}"
    what = f"{name}: against all products at {peak / 1e12:.0f} TFLOP/s, those of one large product"
    return [figure(which, what, speed, "tokens/s", peak / flops_a_token(shape, used_again))]


def short_name(preset: str) -> str:
    """The name of a preset in the ids of figures, such as `fast_vs_article`."""
    return SHORT.get(preset) or slug(preset)


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


def _by_libraries(
    base: Path, rows: str, steps: int, overrides: Sequence[str]
) -> tuple[float, list[dict[str, object]]]:
    """Useful tokens a second of the article's recipe with the libraries alone, counted as those of the others, and
    its figures."""
    with closing(each([ARTICLE], base, rows, steps, overrides)) as runs:
        name, config, folder = next(runs)
        name = f"{name}, libraries alone"
        folder.prepare()
        file, out = folder.root / "config.yaml", folder.root / "times.json"
        write_config(config, file)
        print(f"{name}: running {config.max_steps} steps", file=sys.stderr, flush=True)
        done(name, [sys.executable, "-m", LIBRARIES, "--config", file, "--data-dir", folder.root, "--json", out])
        times = json.loads(out.read_text(encoding="utf-8"))
    speed = pace(times["points"])
    print(f"{name}: {speed:.0f} useful tokens a second", file=sys.stderr, flush=True)
    found = [figure("train_libraries", f"{name}: useful tokens a second", speed, "tokens/s", speed)]
    if times["memory_gb"]:
        found.append(figure("peak_libraries", f"{name}: peak memory, allocated", times["memory_gb"], "GB", 0))
    return speed, found


def pace(points: Sequence[tuple[int, float, float]]) -> float:
    """Tokens a second: the median of the stretches between points of (step, tokens so far, seconds so far), the
    first steps left out."""
    return statistics.median(
        (tokens - tokens_before) / (s - s_before)
        for (_, tokens_before, s_before), (step, tokens, s) in pairwise(points)
        if step > SKIPPED
    )


def _besides(name: str, manifest: dict[str, Any], first_s: float | None, speed: float, planned_gb: float) -> Any:
    kept = manifest["peak_memory_gib"]
    if kept.get("gpu"):
        what = f"{name}: peak memory, allocated, against the plan"
        yield figure(f"peak_{short_name(name)}", what, kept["gpu"] * 2**30 / 1e9, "GB", planned_gb)
    if first_s is not None:
        yield figure(
            f"first_{short_name(name)}", f"{name}: start of the script to the first step", first_s, "s", 0
        )
    rows = manifest["data"]["train_rows"]
    a_row = manifest.get("tokens_a_pass", 0) / rows if rows else 0
    if a_row:
        minutes = WHOLE_EPOCH_ROWS * a_row / speed / 60
        what = f"{name}: one pass over {WHOLE_EPOCH_ROWS:,} rows of {a_row:,.0f} tokens, reckoned"
        yield figure(f"epoch_{short_name(name)}", what, minutes, "min", 0)
