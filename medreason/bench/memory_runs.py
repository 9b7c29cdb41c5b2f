"""The peak memory and the time of a step of short real runs, beside what the plan of each promised.

Each runs in a process of its own, by the script that makes real ones.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.config_file import read_config, write_config
from medreason.finetune.manifest import ADAPTER, read_manifest
from medreason.finetune.presets import PRESETS
from medreason.finetune.time_need import TRAINING
from medreason.folder import DataFolder

LOGGED = 2  # steps; a long run is logged no more often, and each time waits for the GPU
CHECKOUT = Path(__file__).resolve().parents[2]
TRAIN = CHECKOUT / "training_scripts" / "train_qlora.py"


def check(presets: Sequence[str], steps: int, least: int = 2) -> None:
    """Raise `MedReasonError` for what cannot be measured, before anything is made for it."""
    unknown = [name for one in presets if (name := settled(one)[0]) not in PRESETS]
    if unknown:
        raise MedReasonError(f"There is no preset {unknown[0]}. Choose one of: {'; '.join(PRESETS)}.")
    if steps < least:
        first = "the first step is" if least == 2 else "the first steps are"
        raise MedReasonError(f"--steps is {steps}: give {least} or more, since {first} unlike the others.")


def measure(
    presets: Sequence[str], base: Path, rows: str, steps: int, overrides: Sequence[str]
) -> list[dict[str, object]]:
    """A row a figure. `rows` names the training rows, `overrides` are settings for every preset."""
    runs = each(presets, base, rows, steps, overrides)
    return [row for name, config, folder in runs for row in memory_rows(name, config, folder)]


def each(
    presets: Sequence[str], base: Path, rows: str, steps: int, overrides: Sequence[str]
) -> Generator[tuple[str, TrainingConfig, DataFolder], None, None]:
    """Each name with its short configuration and a data folder of its own, which goes when the last is done."""
    with tempfile.TemporaryDirectory(prefix="medreason-runs-") as scratch:
        for number, name in enumerate(presets):
            preset, own = settled(name)
            wanted = short(PRESETS[preset], base, rows, steps)
            config = config_from_words(wanted, Path(scratch) / "config.yaml", [*overrides, *own])
            yield name, config, DataFolder(Path(scratch) / f"data-{number}")


def settled(name: str) -> tuple[str, list[str]]:
    """A preset's name, and the settings that were put behind it: "Balanced:quantization=none,max_length=4096"."""
    preset, _, words = name.partition(":")
    return preset, [word for word in words.split(",") if word]


def short(config: TrainingConfig, base: Path, rows: str, steps: int) -> TrainingConfig:
    """A preset on the given base and rows, cut to a few steps; what decides memory and the time of a step
    stays."""
    return replace(
        config,
        base_model=str(base),
        revision="",
        data=rows,
        data_config="",
        max_rows=0,
        max_steps=steps,
        log_every=LOGGED,
        save_every=0,
        tensorboard=False,
    )


def config_from_words(config: TrainingConfig, file: Path, overrides: Sequence[str]) -> TrainingConfig:
    write_config(config, file)
    return read_config(file, list(overrides))


def memory_rows(name: str, config: TrainingConfig, folder: DataFolder) -> list[dict[str, object]]:
    from medreason.models.machine import ThisMachine
    from medreason.services.training_plan import TrainingPlan

    folder.prepare()
    planned = TrainingPlan(folder, ThisMachine(folder.root)).plan(config)
    run = folder.runs / "measured"
    write_config(config, folder.root / "config.yaml")
    print(f"{name}: running {planned.estimate.steps} steps", file=sys.stderr, flush=True)
    manifest = run_script(name, folder, run)
    peaks, gpu = manifest["peak_memory_gib"], planned.machine.gpus > 0
    promised = planned.estimate.gpu_memory_bytes / 2**30
    by_words = {part.what: part.amount for part in planned.estimate.time}
    where = planned.machine.gpu_name or "CPU"
    found = [
        (
            "memory",
            "peak memory, allocated" if gpu else "peak memory of the process",
            peaks["gpu" if gpu else "process"],
        )
    ]
    if gpu:
        found.append(("reserved", "peak memory, reserved", peaks["gpu_reserved"]))
    rows = [
        figure(
            f"{kind}_{slug(name)}", f"{what}, {name} on {where}: measured against the plan", value, "GiB", promised
        )
        for kind, what, value in found
    ]
    if TRAINING in by_words:
        a_step = manifest["training_s"] / manifest["steps"]
        what = f"a step, {name} on {where}: measured against the plan ({manifest['tokens_per_s']} tokens/s)"
        rows.append(figure(f"step_{slug(name)}", what, a_step, "s", by_words[TRAINING] / planned.estimate.steps))
    return rows


def run_script(name: str, folder: DataFolder, run: Path) -> dict[str, Any]:
    """Train by the settings file in `folder`, into `run`; gives the adapter's manifest. What the run printed that
    speaks of a lever left out is told."""
    words = [sys.executable, TRAIN, "--config", folder.root / "config.yaml", "--output-dir", run]
    words += ["--data-dir", folder.root]
    said = done(name, words)
    manifest = read_manifest(run / ADAPTER)
    if manifest is None:
        raise MedReasonError(f"The run of {name} left no adapter.")
    for line in said.splitlines():
        if "left out" in line:
            print(f"{name}: {line}", file=sys.stderr, flush=True)
    return manifest


def done(name: str, words: Sequence[object]) -> str:
    """What the command printed in a process of its own, which finds this package. Raises `MedReasonError` with its
    last words where it failed."""
    places = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=env)
    if ran.returncode != 0:
        said = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MedReasonError(f"The run of {name} ended with code {ran.returncode}: {said[:500]}")
    return ran.stdout


def figure(name: str, what: str, value: float, unit: str, against: float) -> dict[str, object]:
    return {
        "id": name,
        "what": what,
        "value": round(value, 3),
        "unit": unit,
        "against": round(against, 3),
        "ratio": round(value / against, 3) if against else None,
    }


def slug(name: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in name.lower())
