"""Bringing a SQLite backup back: checked whole before it counts, put in place at one moment, the old file kept.

Whoever else has the old file open is told by SQLite's own locks, so that nothing is replaced under a running app.
"""

import os
import shutil
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from medreason.errors import Busy, MedReasonError
from medreason.storage.audit import Audit, Verdict
from medreason.storage.backups import copy_file, put
from medreason.storage.database import Database
from medreason.storage.faults import reason
from medreason.storage.schema import NEWEST
from medreason.storage.sqlite_file import check_file
from medreason.whole_file import sync


@dataclass(frozen=True)
class Verified:
    """What a whole file holds. `chain` is None for a schema from before the audit."""

    schema: str
    rows: int
    chain: Verdict | None


def verify_file(path: Path) -> Verified:
    """Check every page, every reference and the audit's chain. Changes nothing. Raises `MedReasonError` with the
    first thing that is wrong."""
    found = look(path)
    if found.chain is not None and not found.chain.holds:
        raise MedReasonError(
            f"The audit in {path} was altered: entry {found.chain.broken_at} does not follow from the one before. "
            "Use another backup."
        )
    return found


def look(path: Path) -> Verified:
    """The same, with an audit that does not hold told by the verdict."""
    if not path.is_file():
        raise MedReasonError(f"There is no file {path}. Name a backup made by app.py backup.")
    schema = check_file(path)
    engine = create_engine(URL.create("sqlite", database=str(path)))
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
            if found != "ok":
                raise MedReasonError(f"The file {path} is damaged ({str(found).splitlines()[0]}).")
            loose = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            if loose is not None:
                raise MedReasonError(f"The file {path} is not whole: {loose[0]} points to missing {loose[2]}.")
            tables = inspect(connection).get_table_names()
            rows = sum(
                connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one() for name in tables
            )
        chain = Audit(Database(engine)).verify() if "audit" in tables else None
        return Verified(schema, rows, chain)
    except DBAPIError as fault:
        raise MedReasonError(f"The file {path} is damaged ({reason(fault)}).") from fault
    finally:
        engine.dispose()


def restore_file(backup: Path, database: Path, replace: bool) -> Path | None:
    """Put a checked copy of a backup in the database's place; gives where the old file is kept, if there was one.
    Raises, with everything as it was, where there is one and `replace` is not given, or somebody uses it."""
    there = database.exists()
    if there and not replace:
        raise MedReasonError(
            f"There is a database already: {database}. Give --replace to put the backup in its place; "
            "the old file is kept beside it."
        )
    verify_file(backup)
    draft = database.with_name(f".{database.name}.restored-{uuid.uuid4().hex}")
    copy_file(backup, draft, check=verify_file)
    try:
        if not there:
            put(draft, database)
            return None
        held = _alone(database)
        try:
            kept = database.with_name(f"{database.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
            for beside in ("-wal", "-shm"):  # of a damaged file; a sound one has none any more
                left = database.with_name(database.name + beside)
                if left.exists():
                    left.rename(kept.with_name(kept.name + beside))
            _second_name(database, kept)
            put(draft, database)  # at one moment: there is never no database
            return kept
        finally:
            if held is not None:
                held.close()
    except OSError as fault:
        raise MedReasonError(
            f"The backup could not be put in the place of {database} ({fault.strerror}). Nothing was lost."
        ) from fault
    finally:
        draft.unlink(missing_ok=True)


def _second_name(database: Path, kept: Path) -> None:
    try:
        os.link(database, kept)
    except OSError:  # a file system without hard links
        shutil.copy2(database, kept)
        sync(kept)


def _alone(database: Path) -> sqlite3.Connection | None:
    """Hold the database against everybody else, with nothing left in its log. None for a damaged file, which
    nobody can have open. Raises `Busy` where it is in use."""
    uri = f"{database.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=0.2, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        connection.execute("BEGIN EXCLUSIVE")
        return connection
    except sqlite3.OperationalError as fault:
        connection.close()
        if "locked" in str(fault) or "busy" in str(fault):
            raise Busy(
                f"The database {database} is in use. Stop the app and every other command on it, then restore."
            ) from fault
        return None
    except sqlite3.DatabaseError:
        connection.close()
        return None


def is_older(verified: Verified) -> bool:
    """Whether the next start brings it to a newer schema."""
    return verified.schema != NEWEST
