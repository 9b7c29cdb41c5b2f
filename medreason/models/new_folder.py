"""A model folder that is built aside and appears whole by a rename, or not at all. Loads no torch."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medreason.errors import MedReasonError
from medreason.whole_file import sync

NO_ROOM = ("no space left", "file too large", "disk quota exceeded")


def refuse_taken(out: Path) -> None:
    """Refuse a place where something is already, or in which nothing can be made."""
    if os.path.lexists(out):
        raise MedReasonError(f"{out} exists already. Give another --out, or remove it.")
    if not out.parent.is_dir():
        raise MedReasonError(f"The folder of --out, {out.parent}, does not exist. Make it first.")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise MedReasonError(f"{out.parent} cannot be written. Give another --out, or change its permissions.")


def refuse_too_little_room(out: Path, needed: float) -> None:
    """Refuse, with both numbers, what the disk has no room for."""
    free = shutil.disk_usage(out.parent).free
    if free < needed:
        raise MedReasonError(
            f"The disk of {out.parent} has {free / 1e9:,.1f} GB free, and {needed / 1e9:,.1f} GB are needed. Make "
            "room there, or give another --out."
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to build in; once the block ends without a fault it is synced and becomes `out`, else it is
    removed. What a killed process left of an earlier attempt is removed first. Raises `MedReasonError` where
    another process is building the same folder, or where it cannot be written."""
    refuse_taken(out)
    building = out.with_name(f".{out.name}.building")
    lock: int | None = None
    try:
        lock = _locked(building, out)
        for left in building.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield building
        for place in (*building.iterdir(), building):
            sync(place)
        refuse_taken(out)
        os.rename(building, out)
    except Exception as fault:
        # safetensors tells of a full disk with an exception of its own.
        if not isinstance(fault, OSError) and not any(words in str(fault).lower() for words in NO_ROOM):
            raise
        why = getattr(fault, "strerror", None) or "no room"
        raise MedReasonError(
            f"{out} cannot be written ({why}). Make room there, or give another --out."
        ) from fault
    finally:
        if lock is not None:
            shutil.rmtree(building, ignore_errors=True)  # gone already where it was renamed
            os.close(lock)


def write_record(folder: Path, name: str, record: dict[str, Any]) -> None:
    """A small JSON file beside a model, telling where it comes from."""
    (folder / name).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_record(folder: Path, name: str) -> dict[str, Any]:
    """What `write_record` wrote; empty where there is none that can be read."""
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _locked(building: Path, out: Path) -> int:
    """The folder's open file, locked: it ends with the process that holds it, however that ends."""
    building.mkdir(exist_ok=True)
    lock = os.open(building, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(lock)
        raise MedReasonError(f"Another process is making {out} at this moment. Wait for it to end.") from fault
    return lock
