"""Measures ratios side by side in one run, so that a slow or a busy machine does not decide them.

`decode`: both answers in one batch against the other ways to get them, on the same weights, prompt and budget.
`memory`: the peak memory and the time of a step of short real runs against what the plan of each promised.
`train`: tokens a second of short real runs of some presets, against the first of them and the GPU's ceiling.
`ui`: many answers at once, scripted, from the real app over HTTP: how long their readers wait for the first words.
"""

import argparse
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medreason import demo
from medreason.arguments import Parser, data_folder
from medreason.bench import memory_runs, training_speed
from medreason.errors import MedReasonError
from medreason.finetune.presets import ARTICLE, BALANCED, FAST, SMALL_GPU
from medreason.models.base_shape import QWEN3_8B

RANDOM = "random"
NAMES = (
    "names of presets, maybe with settings of their own, as in Balanced:quantization=none (default %(default)s); "
    "settings are parted by commas"
)


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="benchmark.py", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    decode = kinds.add_parser("decode", help="both answers at once against one after the other")
    decode.add_argument("--json", type=Path, required=True, help="file to write the rows to")
    decode.add_argument("--base-model", default="embedded", help="embedded, auto, a hub id or a folder")
    decode.add_argument("--revision", default="", help="hub revision of the base model")
    decode.add_argument("--quantization", default="auto", choices=("auto", "none", "nf4"))
    decode.add_argument("--adapter", default=str(demo.ADAPTER), help=f"folder, or {RANDOM} (default: the demo's)")
    decode.add_argument("--tokens", type=int, default=128, help="tokens an answer (default %(default)s)")
    decode.add_argument(
        "--rounds", "--repeats", type=int, default=3, help="the median counts (default %(default)s)"
    )
    decode.add_argument(
        "--parts",
        nargs="*",
        default=["generate", "models", "levers", "nf4"],
        help="what to measure beside the pair itself (default %(default)s; models and nf4 need a GPU)",
    )
    decode.add_argument(
        "--make-base",
        type=Path,
        metavar="TOKENIZER",
        help="where the folder of --base-model is not there yet, write it: the shapes of Qwen3-8B with random "
        "weights, and the tokenizer of this folder",
    )
    decode.add_data_dir()
    memory = kinds.add_parser("memory", help="what short runs take against what their plan promises")
    short_runs(memory, [ARTICLE, BALANCED, SMALL_GPU], steps=3)
    train = kinds.add_parser("train", help="how quickly presets train, against the first of them")
    short_runs(train, [ARTICLE, BALANCED, FAST, SMALL_GPU], steps=10)
    train.add_argument(
        "--gpus",
        type=int,
        nargs="+",
        default=[1],
        metavar="N",
        help="numbers of GPUs to run each preset with, such as 1 2: the others against the first (default 1)",
    )
    train.add_argument(
        "--libraries",
        action="store_true",
        help="also run the article's recipe with TRL's trainer and PEFT's preparation as they come, and compare "
        "each preset with that",
    )
    ui = kinds.add_parser("ui", help="many scripted answers at once, read from the real app over HTTP")
    ui.add_argument("--json", type=Path, required=True, help="file to write the rows to")
    ui.add_argument("--streams", type=int, default=50, help="answers at once (default %(default)s)")
    ui.add_argument("--words", type=int, default=500, help="words of each side (default %(default)s)")
    return parser.parse_args(arguments)


def short_runs(parser: argparse.ArgumentParser, presets: list[str], steps: int) -> None:
    """Options of the kinds that make short real runs."""
    parser.add_argument("--json", type=Path, required=True, help="file to write the rows to")
    parser.add_argument("--presets", nargs="+", default=presets, help=NAMES)
    parser.add_argument(
        "--base", type=Path, required=True, metavar="FOLDER", help="base model, maybe of random weights"
    )
    parser.add_argument(
        "--make-base",
        type=Path,
        metavar="TOKENIZER",
        help="where --base is not there yet, write it: the shapes of Qwen3-8B with random weights, and the "
        "tokenizer of this folder",
    )
    parser.add_argument("--rows", required=True, metavar="FILE", help="training rows")
    parser.add_argument("--steps", type=int, default=steps, help="steps of each run (default %(default)s)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", dest="overrides", help="settings for every preset"
    )


def measure_decode(given: argparse.Namespace) -> list[dict[str, object]]:
    """What the engine decodes, against the other ways to get the same answers."""
    for name, least in (("rounds", 1), ("tokens", 2)):
        if getattr(given, name) < least:
            raise MedReasonError(f"--{name} is {getattr(given, name)}: give {least} or more.")
    if given.make_base is not None and not Path(given.base_model).is_dir():
        make_base(Path(given.base_model), given.make_base)
    folder = data_folder(given)
    folder.prepare()
    from medreason.engine import benchmark

    unknown = [part for part in given.parts if part not in benchmark.PARTS]
    if unknown:
        raise MedReasonError(f"There is no part {unknown[0]}. Choose of: {', '.join(benchmark.PARTS)}.")
    plan = benchmark.Plan(
        base=given.base_model,
        revision=given.revision,
        quantization=given.quantization,
        folder=folder,
        adapter=None if given.adapter == RANDOM else Path(given.adapter),
        tokens=given.tokens,
        rounds=given.rounds,
        parts=tuple(given.parts),
        say=lambda words: print(words, file=sys.stderr, flush=True),
    )
    return benchmark.measure(plan)


def measure_memory(given: argparse.Namespace) -> list[dict[str, object]]:
    """What short runs take against what their plan promises."""
    ready_for_runs(given, least=2)
    return memory_runs.measure(given.presets, given.base, given.rows, given.steps, given.overrides)


def measure_train(given: argparse.Namespace) -> list[dict[str, object]]:
    """Tokens a second of short runs."""
    training_speed.check_gpus(given.gpus)
    ready_for_runs(given, least=training_speed.SKIPPED + 1)
    return training_speed.measure(
        given.presets, given.base, given.rows, given.steps, given.overrides, given.gpus, given.libraries
    )


def ready_for_runs(given: argparse.Namespace, least: int) -> None:
    memory_runs.check(given.presets, given.steps, least)
    if not given.base.is_dir():
        if given.make_base is None:
            raise MedReasonError(f"There is no base model at {given.base}. Give a folder, or --make-base as well.")
        make_base(given.base, given.make_base)


def measure_ui(given: argparse.Namespace) -> list[dict[str, object]]:
    """How long readers of many answers at once wait for their first words."""
    for name, least in (("streams", 1), ("words", 10)):
        if getattr(given, name) < least:
            raise MedReasonError(f"--{name} is {getattr(given, name)}: give {least} or more.")
    from medreason.bench.streams import measure

    return measure(given.streams, given.words)


def make_base(folder: Path, tokenizer_of: Path) -> None:
    """Write a model of the shapes of Qwen3-8B with random weights."""
    from medreason.models.random_base import make_random_base

    shape = QWEN3_8B
    make_random_base(
        folder,
        tokenizer_of,
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.positions,
        tie_word_embeddings=shape.tied,
    )


def machine() -> dict[str, object]:
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpu": gpu,
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("torch", "transformers", "peft", "bitsandbytes"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def main(arguments: list[str]) -> int:
    given = read_arguments(arguments)
    try:
        if not given.json.parent.is_dir():
            raise MedReasonError(f"The folder of --json, {given.json.parent}, does not exist. Make it first.")
        kinds = {
            "decode": measure_decode,
            "memory": measure_memory,
            "train": measure_train,
            "ui": measure_ui,
        }
        rows = kinds[given.kind](given)
        report = {"machine": machine(), "versions": versions(), "rows": rows}
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    except OSError as fault:
        print(f"{given.json} cannot be written ({fault.strerror or fault}).", file=sys.stderr)
        return 2
    for one in rows:
        print(f"{one['id']}: {one['value']} against {one['against']} {one['unit']}, ratio {one['ratio']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
