"""Write a LoRA adapter into the weights of its base: one model folder that any server can load without PEFT.

The merged weights are compared with base and adapter together on fixed prompts. The folder is built aside and
appears only once it has passed. MedReason itself compares with the adapter unmerged; this is for serving
elsewhere.
"""

import argparse
import signal
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.arguments import Parser, data_folder  # noqa: E402
from medreason.errors import MedReasonError  # noqa: E402
from medreason.models.adapters import read_adapter  # noqa: E402
from medreason.models.base import resolve_base  # noqa: E402
from medreason.models.merging import merge  # noqa: E402


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="merge_adapter.py", description=__doc__)
    top.add_argument(
        "--model", required=True, metavar="ID|PATH", help="the base in 16 bits: embedded, a hub id, a folder"
    )
    top.add_argument("--revision", default="", help="hub revision of the model")
    top.add_argument("--adapter", type=Path, required=True, metavar="DIR", help="folder of the adapter")
    top.add_argument(
        "--trained-on",
        type=Path,
        metavar="DIR",
        help="the folder in 4 bits that the adapter was trained on, where quantize.py made it from --model",
    )
    top.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder; must not exist yet")
    top.add_data_dir()
    return top


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    warnings.simplefilter("ignore", FutureWarning)  # what the libraries say to each other of their next versions
    try:
        adapter = read_adapter(options.adapter.expanduser())
        source = resolve_base(options.model, options.revision, data_folder(options), "none")
        trained_on = options.trained_on.expanduser() if options.trained_on else None
        made = merge(source, adapter, options.out.expanduser(), tell, trained_on)
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Nothing was kept.", file=sys.stderr)
        return 130
    print(f"{made.name} with {adapter.name} written into {made.layers} layers: {made.folder}")
    print(f"Merged against unmerged: {made.to_unmerged}")
    print(f"What the adapter changes: {made.to_base}")
    if adapter.manifest.get("precision") == "nf4":
        print("The adapter was trained on a base in 4 bits and is now in one of 16: answers may differ slightly.")
    return 0


def tell(share: float, words: str) -> None:
    print(f"{100 * share:3.0f} %  {words}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
