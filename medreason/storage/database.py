"""Opens the store: checks what is there, makes or migrates it in one transaction, hands out connections.

It refuses, in plain words and without touching the file, what it cannot use: a schema newer than the
program, a damaged file, a file of another program, a place that cannot be written. It knows nothing of
what is stored.
"""

import os
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import QueuePool

from medreason.errors import Busy, MedReasonError
from medreason.storage.tables import SCHEMAS

MIGRATIONS = Path(__file__).parent / "migrations"
ADVICE = "Restore a backup, or choose another data folder with --data-dir."
# Alembic keeps the running migration in globals of its own, so threads of one process take turns.
_MIGRATING = threading.Lock()


def utc_now() -> str:
    """The time as it is stored everywhere: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Database:
    """Connections to one store. `read()` and `write()` each are one transaction; keep them short."""

    def __init__(self, engine: Engine):
        """For `open`, which checks and migrates first."""
        self.engine = engine

    @classmethod
    def open(cls, url_or_path: str | Path, busy_timeout_s: float = 10.0) -> "Database":
        """Open a SQLite file (made if it is not there) or the database of an SQLAlchemy url."""
        url = _url(url_or_path)
        if url.get_backend_name() == "sqlite":
            if not url.database or url.database == ":memory:":
                raise MedReasonError("Ratings need a database file, not one in memory. Give a path.")
            return cls(_open_file(Path(url.database), busy_timeout_s))
        try:
            engine = create_engine(url, pool_pre_ping=True)
            with engine.begin() as connection:
                _check_and_migrate(connection, url.render_as_string(hide_password=True))
        except (NoSuchModuleError, ModuleNotFoundError) as fault:
            raise MedReasonError(
                f"Databases of the kind “{url.drivername}” are not supported here. Use a SQLite file, "
                "or postgresql+psycopg://… with psycopg installed."
            ) from fault
        except DBAPIError as fault:
            shown = url.render_as_string(hide_password=True)
            raise MedReasonError(
                f"The database {shown} cannot be opened ({_reason(fault)}). Check that it runs and that "
                "--database-url names it rightly."
            ) from fault
        return cls(engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except DBAPIError as fault:
            raise MedReasonError(
                f"The stored data could not be read ({_reason(fault)}). Try again; if it stays so, restart."
            ) from fault

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that is durable when this returns, or never happened."""
        try:
            with (
                self.engine.connect().execution_options(medreason_write=True) as connection,
                connection.begin(),
            ):
                yield connection
        except OperationalError as fault:
            reason = _reason(fault)
            if "locked" in reason or "busy" in reason:
                raise Busy("Not saved, the database is busy. Try again in a moment.") from fault
            if "full" in reason or "disk I/O" in reason:
                raise MedReasonError("Not saved, the disk is full or faulty. Free some space.") from fault
            raise MedReasonError(f"Not saved, the database refused it ({reason}).") from fault

    def close(self) -> None:
        self.engine.dispose()


def _url(url_or_path: str | Path) -> URL:
    if "://" not in str(url_or_path):
        return URL.create("sqlite", database=str(url_or_path))
    try:
        return make_url(str(url_or_path))
    except ArgumentError as fault:
        raise MedReasonError(
            "The database url cannot be read. Give a path, or a url such as postgresql+psycopg://host/name."
        ) from fault


def _reason(fault: DBAPIError) -> str:
    """The driver's own words, one line, without a full stop."""
    return str(fault.orig).strip().splitlines()[0].rstrip(".") if str(fault.orig).strip() else "no reason given"


def _open_file(path: Path, busy_timeout_s: float) -> Engine:
    if path.is_dir():
        raise MedReasonError(f"The database {path} is a folder. Give the path of a file.")
    if not path.parent.is_dir():
        raise MedReasonError(f"The folder {path.parent} for the database does not exist. Make it first.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise MedReasonError(f"The folder {path.parent} cannot be written. Choose another with --data-dir.")
    if not path.exists():
        _make_file(path, busy_timeout_s)
    elif not os.access(path, os.W_OK):
        raise MedReasonError(f"The database {path} cannot be written. Change its permissions.")
    _check_file(path, busy_timeout_s)
    engine = _sqlite_engine(path, busy_timeout_s)
    try:
        with engine.connect().execution_options(medreason_write=True) as connection, connection.begin():
            _check_and_migrate(connection, str(path))
    except DBAPIError as fault:
        engine.dispose()
        raise MedReasonError(f"The database {path} cannot be opened ({_reason(fault)}). {ADVICE}") from fault
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make_file(path: Path, busy_timeout_s: float) -> None:
    """Make a new database beside its place and put it there whole, so that a kill leaves none or all."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        engine = _sqlite_engine(draft, busy_timeout_s)
        try:
            with engine.connect().execution_options(medreason_write=True) as connection, connection.begin():
                _check_and_migrate(connection, str(path))
        finally:
            engine.dispose()
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was quicker; its file is as good
        except OSError:  # a file system without hard links
            if not path.exists():
                draft.rename(path)
    except (DBAPIError, OSError) as fault:
        reason = _reason(fault) if isinstance(fault, DBAPIError) else fault.strerror
        raise MedReasonError(f"The database {path} cannot be made ({reason}). Choose another place.") from fault
    finally:
        for leftover in path.parent.glob(f"{draft.name}*"):
            leftover.unlink(missing_ok=True)


def _check_file(path: Path, busy_timeout_s: float) -> None:
    """Refuse what is damaged or not ours, before any setting is written to the file.

    Through SQLite itself: opening the file by hand and closing it would drop the locks that other
    connections of this process hold on it.
    """
    if path.stat().st_size == 0:
        raise MedReasonError(f"The database {path} is empty (0 bytes), so its data is lost. {ADVICE}")
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=busy_timeout_s)) as probe:
            tables = {name for (name,) in probe.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "alembic_version" in tables:
                # Before anything that might wait or write: a newer program's file is left alone.
                _refuse_unknown([row[0] for row in probe.execute("SELECT version_num FROM alembic_version")], path)
            elif tables:
                raise MedReasonError(f"The file {path} is a database of another program. Choose another place.")
            verdict = [row[0] for row in probe.execute("PRAGMA quick_check(1)")]
            if verdict != ["ok"]:
                raise sqlite3.DatabaseError(str(verdict[0]).splitlines()[0])
    except sqlite3.OperationalError as fault:
        raise MedReasonError(f"The database {path} cannot be opened ({fault}). {ADVICE}") from fault
    except sqlite3.DatabaseError as fault:
        raise MedReasonError(
            f"The database {path} is damaged ({fault}). It was left as it is. {ADVICE}"
        ) from fault


def _sqlite_engine(path: Path, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
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
            "foreign_keys = ON",
            "recursive_triggers = ON",  # so that REPLACE cannot slip past the triggers on DELETE
        ):
            connection.execute(f"PRAGMA {setting}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE waits for its turn at the start; a read that turns into a write would fail at once.
        write = connection.get_execution_options().get("medreason_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _refuse_unknown(versions: list[str], name: object) -> None:
    unknown = [version for version in versions if version not in SCHEMAS]
    if unknown:
        raise MedReasonError(
            f"The database {name} was written by a newer version of MedReason (schema {unknown[0]}, this "
            f"one knows {SCHEMAS[-1]}). It was left as it is. Use the newer version, or another data folder."
        )


def _check_and_migrate(connection: Connection, name: str) -> None:
    tables = inspect(connection).get_table_names()
    versions: list[str] = []
    if "alembic_version" in tables:
        versions = [row[0] for row in connection.execute(text("SELECT version_num FROM alembic_version"))]
        _refuse_unknown(versions, name)
    elif tables:
        raise MedReasonError(f"The database {name} holds tables of another program. Choose another.")
    if versions == [SCHEMAS[-1]]:
        return
    from alembic import command  # here, because an up-to-date store need not wait for its import
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", re.sub("%", "%%", str(MIGRATIONS)))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _MIGRATING:
        command.upgrade(config, "head")
