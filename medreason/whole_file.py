"""Small JSON files that are replaced whole: a reader sees the old one or the new one, never half of one."""

import json
import os
import threading
from pathlib import Path
from typing import Any

LARGEST = 1_000_000


def read_json(path: Path) -> dict[str, Any] | None:
    """The content of `path`, or None where it is missing, damaged, no mapping, or over a megabyte."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, content: dict) -> None:
    """Replace `path`. Several threads and processes may write the same file at the same time. Raises `OSError`
    where it cannot be written, with what was there before untouched."""
    building = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        building.write_text(json.dumps(content), encoding="utf-8")
        os.replace(building, path)
    except OSError:
        building.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk. Raises `OSError` where that fails."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
