"""Make the ready-made demo adapter again: train on the embedded curriculum, then put the result into the package.

Takes about a quarter of an hour on two free cores. The adapter in the package is replaced only by a whole one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason import demo  # noqa: E402
from medreason.arguments import Parser  # noqa: E402
from medreason.finetune.manifest import ADAPTER, read_manifest  # noqa: E402

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "configs" / "demo_adapter.yaml"
MOST_BYTES = 3_000_000
# The base that comes with MedReason brings these; a second tokenizer would be larger than the adapter.
KEPT = ("README.md", "adapter_config.json", "adapter_model.safetensors", "manifest.json")


def main(words: list[str]) -> int:
    top = Parser(prog="make_demo_adapter.py", description=__doc__)
    top.add_argument("--out", type=Path, default=demo.ADAPTER, metavar="DIR", help="where the adapter goes")
    options, passed_on = top.parse_known_args(words)
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        trainer = [sys.executable, str(HERE / "train_qlora.py"), "--config", str(CONFIG), "--output-dir", str(run)]
        code = subprocess.run([*trainer, *passed_on]).returncode
        if code != 0 or read_manifest(run / ADAPTER) is None:
            print("The demo adapter was not made; the one in the package stays as it is.", file=sys.stderr)
            return code or 1
        for file in (run / ADAPTER).iterdir():
            if file.name not in KEPT:
                file.unlink()
        size = sum(file.stat().st_size for file in (run / ADAPTER).iterdir())
        if size > MOST_BYTES:
            print(
                f"The new adapter has {size:,} bytes, more than {MOST_BYTES:,}. It was not kept.", file=sys.stderr
            )
            return 1
        replace(run / ADAPTER, options.out)
    print(f"The demo adapter is in {options.out} ({size:,} bytes).")
    return 0


def replace(new: Path, target: Path) -> None:
    """Put `new` where `target` is; the old one goes only once the new one lies beside it."""
    beside = target.with_name(f".{target.name}.new")
    old = target.with_name(f".{target.name}.old")
    for left in (beside, old):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(new, beside)
    if target.exists():
        os.replace(target, old)
    os.replace(beside, target)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
