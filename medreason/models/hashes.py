"""Fingerprints of weights, so that an answer can prove what produced it. Loads no torch."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from medreason.errors import MedReasonError
from medreason.models.tensor_file import Tensor, plain_file, read_table

WHOLE_UP_TO = 2 * 1024**3
SAMPLE = 64 * 1024
CHUNK = 4 * 1024 * 1024
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, all of them present; empty where there are none or where
    one that the index names is missing."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        names = sorted(set(index["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    files = [folder / Path(name).name for name in names]
    return files if all(file.is_file() for file in files) else []


def weights_sha256(folder: Path) -> str:
    """SHA-256 over a model folder's weights: sorted tensor names, types, shapes and bytes, however they
    are spread over files.

    Above 2 GB the bytes are sampled: of each tensor the first, middle and last 64 KB. That tells models
    and trainings apart, but would miss a change placed between the samples on purpose; such a
    fingerprint carries the prefix "sampled:".
    """
    files = weight_files(folder)
    if not files:
        raise MedReasonError(f"{folder} holds no complete safetensors weights. Copy or download it again.")
    whole = sum(file.stat().st_size for file in files) <= WHOLE_UP_TO
    digest = hashlib.sha256()
    placed = {name: (file, tensor) for file in files for name, tensor in read_table(file).items()}
    opened = {file: open(plain_file(file), "rb") for file in files}
    try:
        for name in sorted(placed):
            file, tensor = placed[name]
            digest.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
            for piece in _pieces(opened[file], tensor, whole):
                digest.update(piece)
    finally:
        for handle in opened.values():
            handle.close()
    return digest.hexdigest() if whole else f"sampled:{digest.hexdigest()}"


def _pieces(file: BinaryIO, tensor: Tensor, whole: bool) -> Iterator[bytes]:
    if whole or tensor.size <= 3 * SAMPLE:
        spans = [(tensor.start, tensor.size)]
    else:
        middle, last = tensor.start + tensor.size // 2, tensor.start + tensor.size - SAMPLE
        spans = [(tensor.start, SAMPLE), (middle, SAMPLE), (last, SAMPLE)]
    for start, size in spans:
        file.seek(start)
        while size:
            piece = file.read(min(size, CHUNK))
            if not piece:
                return
            size -= len(piece)
            yield piece
