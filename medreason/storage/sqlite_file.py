"""A SQLite file as the store: made whole, checked before it is used, migrated after a copy, never replaced.

It refuses, in plain words and without touching the file, what it cannot use: a schema newer than the program, a
damaged file, a file of another program, a place that cannot be written, a network drive.
"""

import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from medreason.errors import MedReasonError
from medreason.storage.backups import Backups, copy_file
from medreason.storage.faults import reason
from medreason.storage.network import network_drive
from medreason.storage.schema import NEWEST, migrate, refuse_unknown, schema_of

ADVICE = "Restore a backup with app.py restore, or choose another data folder with --data-dir."
DURABLE = {"journal_mode": "wal", "synchronous": 2}


def open_file(path: Path, busy_timeout_s: float) -> Engine:
    """An engine on that file, which is made if it is not there. Raises in words."""
    if path.is_dir():
        raise MedReasonError(f"The database {path} is a folder. Give the path of a file.")
    if not path.parent.is_dir():
        raise MedReasonError(f"The folder {path.parent} for the database does not exist. Make it first.")
    drive = network_drive(path.parent)
    if drive:
        raise MedReasonError(
            f"The folder {path.parent} lies on a network drive ({drive}), where SQLite cannot keep ratings safe. "
            "Choose a folder on a disk of this computer with --data-dir, or PostgreSQL with --database-url."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise MedReasonError(f"The folder {path.parent} cannot be written. Choose another with --data-dir.")
    if not path.exists():
        _make(path, busy_timeout_s)
    elif not os.access(path, os.W_OK):
        raise MedReasonError(f"The database {path} cannot be written. Change its permissions.")
    schema = check_file(path, busy_timeout_s)
    try:
        if schema != NEWEST:
            kept = copy_file(path, Backups.beside(path).place(f"before-schema-{NEWEST}"))
            _migrate(path, busy_timeout_s, str(path), f"It was copied to {kept} before.")
    except DBAPIError as fault:
        raise MedReasonError(f"The database {path} cannot be opened ({reason(fault)}). {advice(path)}") from fault
    return sqlite_engine(path, busy_timeout_s)


def advice(path: Path) -> str:
    """What to do about a file that cannot be used."""
    newest = Backups.beside(path).newest()
    return f"The newest backup is {newest}: app.py restore brings it back." if newest else ADVICE


def check_file(path: Path, busy_timeout_s: float = 10.0) -> str:
    """The schema of the file. Refuses what is damaged or not ours, before any setting is written to it.

    Through SQLite itself: opening the file by hand and closing it would drop the locks that other connections of
    this process hold on it.
    """
    if path.stat().st_size == 0:
        raise MedReasonError(f"The database {path} is empty (0 bytes), so its data is lost. {advice(path)}")
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=busy_timeout_s)) as probe:
            tables = {name for (name,) in probe.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            versions: list[str] = []
            if "alembic_version" in tables:
                # Before anything that might wait or write: a newer program's file is left alone.
                versions = [row[0] for row in probe.execute("SELECT version_num FROM alembic_version")]
                refuse_unknown(versions, path)
            elif tables:
                raise MedReasonError(f"The file {path} is a database of another program. Choose another place.")
            verdict = [row[0] for row in probe.execute("PRAGMA quick_check(1)")]
            if verdict != ["ok"]:
                raise sqlite3.DatabaseError(str(verdict[0]).splitlines()[0])
            if not versions:
                # An intact file without tables was never written by `_make`: its content is gone.
                raise sqlite3.DatabaseError("it holds no tables")
            return versions[0]
    except sqlite3.OperationalError as fault:
        raise MedReasonError(f"The database {path} cannot be opened ({fault}). {advice(path)}") from fault
    except sqlite3.DatabaseError as fault:
        raise MedReasonError(
            f"The database {path} is damaged ({fault}). It was left as it is. {advice(path)}"
        ) from fault


def _make(path: Path, busy_timeout_s: float) -> None:
    """Make a new database beside its place and put it there whole, so that a kill leaves none or all."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        _migrate(draft, busy_timeout_s, str(path))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was quicker; its file is as good
        except OSError:  # a file system without hard links
            if not path.exists():
                draft.rename(path)
    except (DBAPIError, OSError) as fault:
        why = reason(fault) if isinstance(fault, DBAPIError) else fault.strerror
        raise MedReasonError(f"The database {path} cannot be made ({why}). Choose another place.") from fault
    finally:
        for leftover in path.parent.glob(f"{draft.name}*"):
            leftover.unlink(missing_ok=True)


def _migrate(path: Path, busy_timeout_s: float, name: str, kept: str = "") -> None:
    """Bring the file to the newest schema in one transaction. Foreign keys are not enforced meanwhile, because
    SQLite changes a table by making it anew; they are all checked before the end."""
    engine = sqlite_engine(path, busy_timeout_s, enforced=False)
    try:
        with engine.connect().execution_options(medreason_write=True) as connection, connection.begin():
            if schema_of(connection, name) == NEWEST:  # another process was quicker
                return
            migrate(connection)
            loose = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            if loose is not None:
                raise MedReasonError(
                    f"The database {name} was left as it is: its table {loose[0]} points to rows of {loose[2]} "
                    f"that are not there, so it cannot be brought to the new form. {kept} {ADVICE}"
                )
    finally:
        engine.dispose()


def sqlite_engine(path: Path, busy_timeout_s: float, enforced: bool = True) -> Engine:
    """`enforced`: whether every statement checks foreign keys."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        hide_parameters=True,  # faults are logged, and what somebody typed never is
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=56,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where `_begin` says, DDL included
        for setting in (
            f"busy_timeout = {int(busy_timeout_s * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"foreign_keys = {'ON' if enforced else 'OFF'}",
            "recursive_triggers = ON",  # so that REPLACE cannot slip past the triggers on DELETE
        ):
            connection.execute(f"PRAGMA {setting}").close()
        for name, wanted in DURABLE.items():
            got = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if got != wanted:  # SQLite answers a setting that it cannot keep with another, without an error
                connection.close()
                raise MedReasonError(
                    f"The database {path} cannot be kept safe here ({name} is {got}, not {wanted}). "
                    "Choose a folder on a disk of this computer with --data-dir."
                )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE waits for its turn at the start; a read that turns into a write would fail at once.
        write = connection.get_execution_options().get("medreason_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
