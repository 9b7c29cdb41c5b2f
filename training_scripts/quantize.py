"""Put a base model into 4 bits (NF4, double quantization, computed in bf16) and prove that the folder is whole.

The new folder holds weights and tokenizer and loads like any other base. It is built aside and appears only
once its files, its configuration and its logits have been checked.
"""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.arguments import Parser, data_folder  # noqa: E402
from medreason.errors import MedReasonError  # noqa: E402
from medreason.models.base import resolve_base  # noqa: E402
from medreason.models.quantizing import Quantized, quantize  # noqa: E402

MB = 1e6


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="quantize.py", description=__doc__)
    top.add_argument("--model", required=True, metavar="ID|PATH", help="embedded, a hub id, or a folder")
    top.add_argument("--revision", default="", help="hub revision of the model")
    top.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder; must not exist yet")
    top.add_data_dir()
    return top


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        source = resolve_base(options.model, options.revision, data_folder(options), "none")
        made = quantize(source, options.out.expanduser(), tell)
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Nothing was kept.", file=sys.stderr)
        return 130
    show(made)
    return 0


def tell(share: float, words: str) -> None:
    print(f"{100 * share:3.0f} %  {words}", file=sys.stderr, flush=True)


def show(made: Quantized) -> None:
    print(f"{made.name} in 4 bits: {made.folder}\n")
    for name, size in made.files:
        print(f"  {name:<36}{size:>16,} bytes")
    print(f"\n{'weights in memory':<24}{'16 bits':>12}{'4 bits':>12}{'smaller by':>12}")
    for what, before, after in (
        ("linear layers", made.before.linear, made.after.linear),
        ("the whole model", made.before.whole, made.after.whole),
    ):
        print(f"{what:<24}{before / MB:>9,.1f} MB{after / MB:>9,.1f} MB{100 * (1 - after / before):>10.1f} %")
    print(f"\nLoaded again: {made.when_loaded_again}")
    print(f"Against 16 bits: {made.to_16_bits}")
    if made.far:
        print("Four bits change this model more than usual; compare its answers before you rely on it.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
