"""The store: connections to a SQLite file or a PostgreSQL database, which is checked and migrated first.

It knows nothing of what is stored.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from medreason.errors import MedReasonError
from medreason.storage.faults import not_read, not_saved
from medreason.storage.postgres import open_server, take_turn
from medreason.storage.sqlite_file import open_file
from medreason.storage.turns import Turns

LONGEST_TURN_S = 60.0


def utc_now() -> str:
    """The time as it is stored everywhere: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Database:
    """Connections to one store. `read()` and `write()` each are one transaction; keep them short. Writers take
    turns: threads of this process here, processes through the database."""

    def __init__(self, engine: Engine):
        """For `open`, which checks and migrates first."""
        self.engine = engine
        self._turns = Turns(LONGEST_TURN_S)
        self._view = threading.local()
        self._shared = engine.dialect.name == "postgresql"
        # SQLite's transactions see one moment by themselves.
        seeing = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if self._shared else {}
        self._reading = engine.execution_options(**seeing)

    @classmethod
    def open(cls, url_or_path: str | Path, busy_timeout_s: float = 10.0) -> "Database":
        """Open a SQLite file (made if it is not there) or the database of an SQLAlchemy url."""
        url = _url(url_or_path)
        if url.get_backend_name() != "sqlite":
            return cls(open_server(url))
        if not url.database or url.database == ":memory:":
            raise MedReasonError("Ratings need a database file, not one in memory. Give a path.")
        return cls(open_file(Path(url.database), busy_timeout_s))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading; inside `one_view`, that view."""
        if (shared := getattr(self._view, "connection", None)) is not None:
            yield shared
            return
        try:
            with self._reading.begin() as connection:
                yield connection
        except (DBAPIError, NoConnectionFree) as fault:
            raise not_read(fault) from fault

    @contextmanager
    def one_view(self) -> Iterator[None]:
        """All reads of this thread meanwhile see one moment, whatever others save; for what is put together from
        many tables. Nothing that is written meanwhile is seen."""
        with self.read() as connection:
            outer, self._view.connection = getattr(self._view, "connection", None), connection
            try:
                yield
            finally:
                self._view.connection = outer

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that is durable when this returns, or never happened."""
        try:
            with (
                self._turns.turn(),
                self.engine.connect().execution_options(medreason_write=True) as connection,
                connection.begin(),
            ):
                if self._shared:
                    take_turn(connection, int(LONGEST_TURN_S * 1000))
                yield connection
        except (IntegrityError, ProgrammingError):  # what the tables refuse is for the caller to say
            raise
        except (DBAPIError, NoConnectionFree) as fault:
            raise not_saved(fault) from fault

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
