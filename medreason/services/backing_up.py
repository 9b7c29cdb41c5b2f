"""Backups: one on request, one every few hours while the app runs, and the way back.

What is kept is the store. Runs, adapters and prepared data are files of the data folder and are copied as files.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from medreason.errors import MedReasonError
from medreason.storage import dumps
from medreason.storage.backups import Backups, copy_file, taken_at
from medreason.storage.restoring import Verified, is_older, restore_file, verify_file

AUTOMATIC = "automatic"
KEPT = 14
LOOK_AGAIN_S = 300.0
log = logging.getLogger(__name__)


def utc() -> datetime:
    return datetime.now(UTC)


def back_up(store: str | Path, target: Path) -> str:
    """Write a checked backup of the store to a file that is not there yet; gives what to tell."""
    if target.exists():
        raise MedReasonError(f"{target} is there already. Name a new file.")
    if not target.parent.is_dir():
        raise MedReasonError(f"The folder {target.parent} does not exist. Make it first.")
    if isinstance(store, str):
        dumps.dump(store, target)
        return f"Wrote {target}, by pg_dump. Only its list of contents was checked; a restore checks the rest."
    if not store.is_file():
        raise MedReasonError(f"There is no database {store}. Name its folder with --data-dir.")
    seen: list[Verified] = []
    copy_file(store, target, check=lambda draft: seen.append(verify_file(draft)))
    return f"Wrote {target}: {_told(seen[0])}, all checked."


def restore(backup: Path, store: str | Path, replace: bool) -> str:
    """Bring a backup back; gives what to tell. Raises with everything as it was where that cannot be."""
    if not backup.is_file():
        raise MedReasonError(f"There is no file {backup}. Name a backup made by app.py backup.")
    if isinstance(store, str):
        if replace:
            raise MedReasonError("Leave --replace out: PostgreSQL backups go into an empty database.")
        dumps.restore_dump(backup, store)
        return f"Restored {backup}. The audit's chain holds."
    if dumps.is_dump(backup):
        raise MedReasonError(f"{backup} is a backup of PostgreSQL. Name an empty database with --database-url.")
    kept = restore_file(backup, store, replace)
    verified = verify_file(store)
    beside = f" The file of before is kept as {kept}." if kept else ""
    later = " The next start brings it to this version's schema." if is_older(verified) else ""
    return f"Restored {backup} to {store}: {_told(verified)}.{beside}{later}"


def _told(verified: Verified) -> str:
    entries = f", {verified.chain.entries:,} audit entries" if verified.chain else ""
    return f"{verified.rows:,} rows{entries}"


class BackingUp:
    """Backups of a SQLite file while the app runs: one as soon as the newest is older than `every_hours`. Of those
    it made, the newest fourteen are kept; others are never removed."""

    def __init__(
        self, database: Path, every_hours: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ):
        self.database = database
        self.backups = Backups.beside(database)
        self.every = timedelta(hours=every_hours)
        self.fault = ""
        self._now = now
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go, name="backups", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End between two looks; a copy that is being made is finished first, or left out by the process's end."""
        self._ended.set()

    def look(self) -> Path | None:
        """Make a backup if one is due. A fault is kept in `fault` and logged, never raised: the app goes on."""
        newest = self.backups.newest()
        at = taken_at(newest) if newest else None
        if at is not None and timedelta(0) <= self._now() - at < self.every:
            return None
        try:
            made = copy_file(self.database, self.backups.place(AUTOMATIC), check=verify_file)
            for old in self.backups.all(AUTOMATIC)[:-KEPT]:
                old.unlink(missing_ok=True)
            self.fault = ""
            return made
        except (MedReasonError, OSError) as fault:
            self.fault = str(fault)
            log.warning("No backup was made: %s", fault)
            return None

    def sentence(self) -> str:
        """For whoever answers for the data: how much a lost disk would take with it."""
        newest = self.backups.newest()
        at = taken_at(newest) if newest else None
        if at is None:
            return f"There is no backup yet. {self.fault}".strip()
        said = (
            f"Last backup {at:%d %b %Y, %H:%M} UTC; one is made every {self.every / timedelta(hours=1):g} hours. "
            "What was saved since would be lost with this disk: keep copies of the folder backups elsewhere."
        )
        return f"{said} The last try failed: {self.fault}" if self.fault else said

    def _go(self) -> None:
        while not self._ended.is_set():
            self.look()
            self._ended.wait(min(LOOK_AGAIN_S, self.every.total_seconds()))
