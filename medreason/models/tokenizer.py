"""Loads the tokenizer of a base model alone, without its weights. Importing this loads no transformers."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models import embedded
from medreason.models.base import HUB_ID, LARGER_MODEL, named_folder

log = logging.getLogger(__name__)

FILES = [
    "tokenizer*",
    "*.jinja",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
]

Report = Callable[[float | None, str], None]


def load_tokenizer(name: str, revision: str, folder: DataFolder, report: Report | None = None) -> Any:
    """The tokenizer of “embedded”, of a folder, or of a hub id. Raises `MedReasonError` where there is none,
    where it brings code of its own, or where it has no chat template."""
    say = report or (lambda share, words: None)
    say(None, "Loading the tokenizer…")
    place, revision = _fetch(name, revision, folder)
    import transformers

    try:
        found = transformers.AutoTokenizer.from_pretrained(
            str(place), trust_remote_code=False, local_files_only=True
        )
    except Exception as fault:  # whatever transformers makes of a folder that holds something else
        log.info("Loading the tokenizer of %s failed: %s", name, str(fault)[:500])
        raise MedReasonError(
            f"The folder of {name[:200]} holds no tokenizer that can be read. Check it, or choose another base "
            "model."
        ) from fault
    if not getattr(found, "chat_template", None):
        raise MedReasonError(
            f"The base model {name[:200]} has no chat template, so it cannot be asked. Choose an instruct model."
        )
    return found


def tokenizer_name(name: str) -> str:
    """How a tokenizer is named to others: a hub id or the name of a folder, never its place on this machine."""
    if name == "embedded":
        return embedded.NAME
    path = Path(name).expanduser()
    return path.resolve().name if path.is_dir() else name


def _fetch(name: str, revision: str, folder: DataFolder) -> tuple[Path, str]:
    if name == "embedded":
        return embedded.prepare(folder.embedded_model), ""
    path = named_folder(name, folder)
    if path is not None:
        return path, revision
    if not HUB_ID.fullmatch(name):
        raise MedReasonError(
            f"The tokenizer {name[:200]} was not found. Give “embedded”, an existing folder, or a hub id such as "
            f"{LARGER_MODEL}."
        )
    import huggingface_hub

    pinned = re.fullmatch(r"[0-9a-f]{40}", revision) is not None
    for local_only in (True, False) if pinned else (False, True):
        try:
            found = huggingface_hub.snapshot_download(
                name, revision=revision or None, allow_patterns=FILES, local_files_only=local_only
            )
            if any(Path(found).glob("tokenizer*")):
                return Path(found), Path(found).name
        except Exception as fault:  # whatever the network throws: the hub's client passes it on as it comes
            log.info("Fetching the tokenizer of %s failed: %s", name, type(fault).__name__)
    raise MedReasonError(
        f"The tokenizer of {name} is not on this disk and could not be downloaded. Check the name and the network "
        "(and HF_TOKEN where the model asks for its terms to be accepted), or give a folder."
    )
