"""Finds the base model that was asked for and loads it, in 16 or in 4 bits.

Weights come from safetensors only and no code of a model folder is ever run. Which adapter goes on
top is not known here. Importing this loads no torch.
"""

import json
import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

from medreason.domain.training import RUN_NAME
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models import embedded, hub_faults
from medreason.models.hashes import weight_files, weights_sha256
from medreason.models.tensor_file import plain_file

log = logging.getLogger(__name__)

LARGER_MODEL = "Qwen/Qwen3-8B"
GB = 1024**3
ROOM_BF16, ROOM_NF4 = 40 * GB, 12 * GB
HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "merges.txt", "*.model"]

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class BaseSource:
    """A base model that can be loaded. `place` is a folder, or a hub id while nothing is downloaded;
    `quantization` is "none" or "nf4"."""

    name: str
    place: str
    revision: str
    quantization: str
    embedded: bool = False


@dataclass
class LoadedBase:
    """A base in memory. `sha256` is over the weights on disk; `precision` is what they are computed in:
    "bfloat16", "float32" or "nf4"."""

    model: Any
    tokenizer: Any
    name: str
    revision: str
    precision: str
    sha256: str


def resolve_base(name: str, revision: str, folder: DataFolder, quantization: str = "auto") -> BaseSource:
    """What `name` means: "embedded", a folder, the name of one among the data folder's models, a hub id, or
    "auto". Touches no network and reads no weights; raises `MedReasonError` for a name that is none of these and
    for a folder that holds no usable model.

    "auto" is the larger model only where its weights are on disk and the GPU has room, else the embedded one.
    """
    if name == "auto":
        return _automatic(revision, folder, quantization)
    if name == "embedded":
        kept = quantization if quantization == "nf4" else "none"
        return BaseSource("embedded", str(folder.embedded_model), embedded.NAME, kept, embedded=True)
    path = named_folder(name, folder)
    if path is not None:
        check_folder(path)
        return BaseSource(name, str(path), revision, _settle(quantization, path))
    if HUB_ID.fullmatch(name) and not Path(name).expanduser().exists():
        return BaseSource(name, name, revision, _settle(quantization, None))
    raise MedReasonError(
        f"The base model {name[:200]} was not found. Give “embedded”, an existing folder, or a hub id "
        f"such as {LARGER_MODEL}."
    )


def named_folder(name: str, folder: DataFolder) -> Path | None:
    """The folder that a model's name means: one on this disk, or one among the data folder's models; None where
    it means no folder."""
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path
    kept = folder.models / name
    return kept if RUN_NAME.fullmatch(name) and kept.is_dir() else None


def check_folder(folder: Path) -> None:
    """Refuse a model folder without configuration or complete safetensors, or with code of its own."""
    try:
        config = json.loads(plain_file(folder / "config.json").read_text(encoding="utf-8"))
        known = bool(config["model_type"])
    except (MedReasonError, OSError, ValueError, KeyError, TypeError) as fault:
        raise MedReasonError(
            f"{folder} is no model folder: it has no readable config.json with a model type."
        ) from fault
    if not known or "auto_map" in config:
        raise MedReasonError(
            f"The model {folder} brings program code of its own (auto_map), which MedReason does not run. "
            "Choose a model that transformers knows."
        )
    if not weight_files(folder):
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth"))
        held = "only pickle weights, which could run code" if pickled else "no complete safetensors weights"
        raise MedReasonError(f"The model {folder} holds {held}. Convert or download it as safetensors.")


def load_base(
    source: BaseSource,
    report: Report | None = None,
    meanwhile: Callable[[], None] | None = None,
    gpu: int | None = 0,
) -> LoadedBase:
    """Load what `resolve_base` found, on the GPU of that number where there is one; None leaves it on the CPU, in
    the precision of a GPU. `report` hears a share of the work done and a sentence; `meanwhile` is done while the
    disk reads. Raises `MedReasonError` for whatever the user can mend."""
    say = report or (lambda share, message: None)
    say(0.05, "Starting the model software…")
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    folder, revision = fetch(source, say)
    check_folder(folder)
    say(0.55, "Checking the weights…")
    sha256 = weights_sha256(folder)
    if meanwhile is not None:
        Thread(target=_ask_disk, args=(weight_files(folder),), daemon=True).start()
        meanwhile()
    say(0.65, f"Loading {source.name}…")
    cuda = torch.cuda.is_available()
    options: dict[str, Any] = {"device_map": {"": "cpu" if gpu is None else gpu}} if cuda else {}
    precision = "bfloat16" if cuda or not _float32_is_quicker(folder) else "float32"
    if source.quantization == "nf4":
        precision = "nf4"
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("quantization_config")
    if stored:
        precision = _stored_precision(source.name, stored)
        options.pop("quantization_config", None)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=torch.float32 if precision == "float32" else torch.bfloat16,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            **options,
        )
    except torch.cuda.OutOfMemoryError as fault:
        raise MedReasonError(
            f"The GPU has too little free memory for {source.name}. End what else uses it, or start with "
            "--quantization nf4."
        ) from fault
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError) as fault:
        log.exception("Loading %s failed", source.name)
        raise MedReasonError(
            f"The base model {source.name} could not be loaded: {_short(fault)} Check the folder, or choose "
            "another with --base-model."
        ) from fault
    if not getattr(tokenizer, "chat_template", None):
        raise MedReasonError(
            f"The base model {source.name} has no chat template, so it cannot be asked. Choose an instruct model."
        )
    model.eval()
    model.requires_grad_(False)
    say(0.95, f"{source.name} is in memory.")
    return LoadedBase(model, tokenizer, source.name, revision, precision, sha256)


def _ask_disk(files: list[Path]) -> None:
    """Have the system read these files into the memory that it has to spare."""
    if hasattr(os, "posix_fadvise"):  # a hint, which not every system takes
        for path in files:
            with suppress(OSError), open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _automatic(revision: str, folder: DataFolder, quantization: str) -> BaseSource:
    kept = cached(LARGER_MODEL, revision)
    room = _gpu_memory() if kept else 0
    if kept and quantization != "nf4" and room >= ROOM_BF16:
        return BaseSource(LARGER_MODEL, str(kept), revision or kept.name, "none")
    if kept and quantization != "none" and room >= ROOM_NF4:
        return BaseSource(LARGER_MODEL, str(kept), revision or kept.name, "nf4")
    return resolve_base("embedded", "", folder, quantization)


def _settle(quantization: str, folder: Path | None) -> str:
    """ "auto" is 16 bits unless the GPU is too small for the weights in them."""
    if quantization != "auto":
        return quantization
    room = _gpu_memory()
    size = sum(file.stat().st_size for file in weight_files(folder)) if folder else ROOM_BF16 / 1.5
    return "nf4" if room and size * 1.5 > room else "none"


def _gpu_memory() -> int:
    import torch

    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0


def cached(hub_id: str, revision: str) -> Path | None:
    """The complete snapshot of a hub model on this disk, if there is one."""
    import huggingface_hub

    try:
        found = huggingface_hub.snapshot_download(hub_id, revision=revision or None, local_files_only=True)
    except (OSError, ValueError):
        return None
    return Path(found) if weight_files(Path(found)) else None


def fetch(source: BaseSource, say: Report) -> tuple[Path, str]:
    """The model as a folder on this disk, and its exact revision."""
    if source.embedded:
        folder = embedded.prepare(Path(source.place), lambda share, message: say(0.05 + 0.5 * share, message))
        return folder, source.revision
    if Path(source.place).expanduser().is_dir():
        return Path(source.place).expanduser(), source.revision
    import huggingface_hub

    pinned = re.fullmatch(r"[0-9a-f]{40}", source.revision) is not None
    if pinned and (kept := cached(source.place, source.revision)):
        return kept, source.revision
    say(0.1, f"Downloading {source.name}, or checking the copy on disk…")
    try:
        found = huggingface_hub.snapshot_download(
            source.place, revision=source.revision or None, allow_patterns=HUB_FILES
        )
    except Exception as fault:
        raise hub_faults.in_words(
            fault,
            "model",
            source.name,
            source.revision,
            f"The model {source.name} is not on this disk and could not be downloaded. Check the network and "
            "the free space, or start with --base-model embedded.",
        ) from fault
    return Path(found), Path(found).name


def _float32_is_quicker(folder: Path) -> bool:
    """A CPU without bf16 instructions reads a prompt four times as fast in float32. That needs twice the
    memory, so it is done only where the weights then fill less than half of what the machine has."""
    import torch

    cpu = torch.cpu
    if cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported():
        return False
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2 * sum(file.stat().st_size for file in weight_files(folder)) < memory / 2


def _stored_precision(name: str, stored: dict[str, Any]) -> str:
    """How a folder that was saved quantized is kept; only bitsandbytes in 4 bits can wear an adapter here."""
    if stored.get("quant_method") == "bitsandbytes" and stored.get("load_in_4bit"):
        return str(stored.get("bnb_4bit_quant_type", "fp4"))
    raise MedReasonError(
        f"The base model {name} is stored in a quantization other than bitsandbytes 4 bit, to which adapters "
        "cannot be compared here. Choose the unquantized model."
    )


def _short(fault: BaseException) -> str:
    """The first sentence of a library's message, bounded."""
    first = (str(fault).strip().splitlines() or ["unknown fault"])[0]
    return first[:200].rstrip(" .:") + "."
