"""The folder of backups: copies of the database made while it is written, each whole and checked or not there.

A copy goes through SQLite's backup API, never through the file: a file copied while it is written is two halves.
"""

import os
import re
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medreason.errors import MedReasonError
from medreason.whole_file import sync

PAGES_AT_ONCE = 2_000
NAME = re.compile(r"medreason-(\d{8}T\d{6}Z)-([\w-]+?)(?:-\d+)?\.db")


@dataclass(frozen=True)
class Backups:
    """Paths in one folder. Creating the value touches nothing."""

    folder: Path

    @classmethod
    def beside(cls, database: Path) -> "Backups":
        return cls(database.parent / "backups")

    def place(self, why: str) -> Path:
        """A path for a new backup, named by the time in UTC and the reason; the folder is made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name, number = f"medreason-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{why}", 1
        path = self.folder / f"{name}.db"
        while path.exists():
            number += 1
            path = self.folder / f"{name}-{number}.db"
        return path

    def all(self, why: str = "") -> list[Path]:
        """Every backup, or those of one reason, oldest first by the time in the name."""
        found = [(match[1], path) for path in self.folder.glob("*.db") if (match := NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found) if not why or f"-{why}" in path.name]

    def newest(self) -> Path | None:
        return next(reversed(self.all()), None)


def taken_at(path: Path) -> datetime | None:
    """When a backup was begun, from its name."""
    match = NAME.fullmatch(path.name)
    return datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if match else None


def copy_file(source: Path, target: Path, check: Callable[[Path], object] | None = None) -> Path:
    """A copy of a SQLite file as it stands at one moment, while others write it; on the disk when this returns.
    `check` may refuse the copy before it counts. Raises `MedReasonError`, with nothing new at `target`, where it
    cannot be made."""
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        uri = f"{source.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as live, closing(sqlite3.connect(draft)) as copy:
            live.execute("BEGIN")  # one moment: else each commit of a writer begins the copy anew
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()
            live.backup(copy, pages=PAGES_AT_ONCE)
            copy.execute("PRAGMA journal_mode = DELETE").close()  # one file, nothing beside it
            verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        if check is not None:
            check(draft)
        put(draft, target)
    except (sqlite3.Error, OSError) as fault:
        raise MedReasonError(
            f"{source} could not be copied to {target} ({fault}). Nothing new was left there."
        ) from fault
    finally:
        for leftover in target.parent.glob(f"{draft.name}*"):
            leftover.unlink(missing_ok=True)
    return target


def put(draft: Path, target: Path) -> None:
    """Give a whole file its name, both on the disk."""
    sync(draft)
    os.replace(draft, target)
    sync(target.parent)
