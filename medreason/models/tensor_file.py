"""Reads the table of a safetensors file without trusting it, and without torch.

It knows names, types, shapes and places of tensors. What they mean is for others to say.
"""

import json
import math
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from medreason.errors import MedReasonError

LONGEST_TABLE = 32 * 1024 * 1024
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """Where one tensor lies: `start` and `size` are bytes from the beginning of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def plain_file(path: Path) -> Path:
    """`path`, if it is an ordinary file of its own folder. A link may lead only into the same folder or,
    as in a hub cache, into the `blobs` folder beside the snapshots; it may not lead to a device."""
    try:
        real = path.resolve(strict=True)
        ordinary = stat.S_ISREG(real.stat().st_mode)
    except OSError as fault:
        raise MedReasonError(f"{path} cannot be read ({fault.strerror or fault}).") from fault
    here = path.parent.resolve()
    at_home = real.parent == here or real.parent == here.parent.parent / "blobs"
    if not ordinary or not at_home:
        raise MedReasonError(f"{path} leads out of its folder. Copy the real file there.")
    return path


def read_table(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file by name. Reads only the table, whose length is bounded; raises
    `MedReasonError` where the file is truncated or its table contradicts itself."""
    plain_file(path)
    length = path.stat().st_size
    with open(path, "rb") as file:
        first = file.read(8)
        if len(first) < 8:
            raise _broken(path, "it is too short")
        (table_length,) = struct.unpack("<Q", first)
        if table_length > min(LONGEST_TABLE, length - 8):
            raise _broken(path, "its table is longer than the file may hold")
        text = file.read(table_length)
    try:
        table = json.loads(text)
        entries = {name: entry for name, entry in table.items() if name != "__metadata__"}
        tensors = {name: _tensor(name, entry, 8 + table_length) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
        raise _broken(path, "its table cannot be read") from fault
    reached = 8 + table_length
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.size)):
        if tensor.start != reached:
            raise _broken(path, f"tensor {tensor.name[:80]} is not where it should be")
        reached += tensor.size
    if reached != length:
        raise _broken(path, "its length does not match its table")
    return tensors


def _tensor(name: str, entry: dict, base: int) -> Tensor:
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    numbers = (begin, end, *shape)
    if not all(isinstance(number, int) and number >= 0 for number in numbers) or len(shape) > 8:
        raise ValueError("not whole numbers")
    if (end - begin) * 8 != math.prod(shape) * BITS[entry["dtype"]]:
        raise ValueError("size and shape differ")
    return Tensor(name, entry["dtype"], shape, base + begin, end - begin)


def _broken(path: Path, why: str) -> MedReasonError:
    return MedReasonError(f"{path} is damaged or not a safetensors file: {why}. Copy it again from its source.")
