"""Measures ratios side by side in one run, so that a slow or a busy machine does not decide them.

`decode`: both answers in one batch against two separate calls, on the same weights, prompt and budget.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medreason import demo
from medreason.arguments import Parser
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Failed
from medreason.domain.sampling import Sampling
from medreason.errors import MedReasonError
from medreason.folder import DataFolder

QUESTION = (
    "A 61-year-old man has had crushing chest pain for an hour. The electrocardiogram shows ST elevation in "
    "II, III and aVF. Number each step of your reasoning and finish with a one-line diagnosis."
)


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="benchmark.py", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    decode = kinds.add_parser("decode", help="both answers at once against one after the other")
    decode.add_argument("--json", type=Path, required=True, help="file to write the rows to")
    decode.add_argument("--base-model", default="embedded", help="embedded, auto, a hub id or a folder")
    decode.add_argument("--revision", default="", help="hub revision of the base model")
    decode.add_argument("--quantization", default="auto", choices=("auto", "none", "nf4"))
    decode.add_argument("--adapter", type=Path, default=demo.ADAPTER, help="default: the demo adapter")
    decode.add_argument("--tokens", type=int, default=64, help="tokens an answer (default %(default)s)")
    decode.add_argument("--repeats", type=int, default=3, help="rounds; the median counts (default %(default)s)")
    decode.add_argument("--data-dir", type=Path, default=Path("medreason-data"), help="default %(default)s")
    return parser.parse_args(arguments)


def measure_decode(given: argparse.Namespace) -> list[dict[str, object]]:
    """Rounds of pair, then separate calls, then pair again…; every answer runs to the full budget."""
    if given.repeats < 1:
        raise MedReasonError(f"--repeats is {given.repeats}: give 1 or more.")
    sampling = Sampling(temperature=0, max_new_tokens=given.tokens)
    folder = DataFolder(given.data_dir.expanduser().resolve())
    folder.prepare()
    from medreason.engine.few_rows import quicken
    from medreason.engine.local import provenance_of
    from medreason.engine.masked_lora import WornAdapter, linear_shapes
    from medreason.engine.pair import Pair
    from medreason.models.adapters import check_fits, read_adapter
    from medreason.models.base import load_base, resolve_base

    info = read_adapter(given.adapter)
    base = load_base(resolve_base(given.base_model, given.revision, folder, given.quantization))
    check_fits(info, base.name, base.sha256, linear_shapes(base.model))
    quicken(base.model)
    worn = WornAdapter(base.model, info)
    provenance = provenance_of(base, info, "not run")

    def seconds(*calls: tuple[Arm, ...]) -> float:
        began = time.monotonic()
        for arms in calls:
            pair = Pair(base, worn, frozenset(), arms, provenance)
            for event in pair.answer(Conversation(QUESTION), sampling, lambda: False):
                if isinstance(event, Failed):
                    raise MedReasonError(event.reason)
            worn.off()
        return time.monotonic() - began

    separate_calls = tuple((arm,) for arm in ARMS)
    seconds(ARMS)  # warm-up of both shapes, not counted
    seconds((Arm.FINETUNED,))
    paired, separate = [], []
    for number in range(given.repeats):
        paired.append(seconds(ARMS))
        separate.append(seconds(*separate_calls))
        print(
            f"round {number + 1} of {given.repeats}: pair {paired[-1]:.1f} s, separate {separate[-1]:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    tokens = len(ARMS) * given.tokens
    value, against = (tokens / statistics.median(times) for times in (paired, separate))
    what = (
        f"both answers, tokens a second in all ({base.name}, {base.precision}, {given.tokens} tokens each, "
        "reading the prompt included): one batch against two separate calls"
    )
    return [
        {
            "id": "pair_vs_sequential",
            "what": what,
            "value": round(value, 2),
            "unit": "tokens/s",
            "against": round(against, 2),
            "ratio": round(value / against, 3),
        }
    ]


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
        rows = measure_decode(given)
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
