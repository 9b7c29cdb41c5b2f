"""A PostgreSQL database as the store: for several app processes or sites over one truth.

One writer at a time across all processes, by an advisory lock, as SQLite has by itself: numbers of revisions and
the audit's chain need no further lock. Nothing here is imported by a store in a file.
"""

import logging

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from medreason.errors import MedReasonError
from medreason.storage.faults import reason
from medreason.storage.schema import NEWEST, migrate, schema_of

APPLICATION = "medreason"
WRITERS = 728_263  # the number of the advisory lock
CONNECTIONS, MORE = 8, 24
log = logging.getLogger(__name__)


def open_server(url: URL) -> Engine:
    """An engine on that database, its tables made or brought to the newest schema. Raises in words."""
    shown = url.render_as_string(hide_password=True)
    try:
        engine = plain_engine(url)
        try:
            with engine.begin() as connection:
                refuse_unsafe(connection, shown)
                if schema_of(connection, shown) != NEWEST:
                    take_turn(connection, 60_000)
                    _migrate(connection, shown)
        except BaseException:
            engine.dispose()
            raise
    except (NoSuchModuleError, ModuleNotFoundError) as fault:
        raise MedReasonError(
            f"Databases of the kind “{url.drivername}” are not supported here. Use a SQLite file, "
            "or postgresql+psycopg://… with psycopg installed."
        ) from fault
    except TypeError as fault:  # a driver of another kind that knows none of these options
        raise MedReasonError(f"Databases of the kind “{url.drivername}” are not supported here.") from fault
    except DBAPIError as fault:
        raise MedReasonError(
            f"The database {shown} cannot be opened ({reason(fault)}). Check that it runs and that "
            "--database-url names it rightly."
        ) from fault
    return engine


def plain_engine(url: URL | str) -> Engine:
    """An engine on that database, nothing asked of it yet."""
    engine = create_engine(
        url,
        hide_parameters=True,  # faults are logged, and what somebody typed never is
        pool_pre_ping=True,
        pool_size=CONNECTIONS,
        max_overflow=MORE,
        connect_args={"application_name": APPLICATION, "connect_timeout": 10, "client_encoding": "utf8"},
    )

    @event.listens_for(engine, "handle_error")
    def _without_the_row(context: ExceptionContext) -> None:
        # PostgreSQL's DETAIL quotes the row that it refused.
        for fault in (context.original_exception, context.sqlalchemy_exception):
            if fault is not None and fault.args:
                fault.args = (str(fault.args[0]).partition("\nDETAIL")[0], *fault.args[1:])

    return engine


def take_turn(connection: Connection, patience_ms: int) -> None:
    """Wait until no other process writes, until the end of this transaction. A commit is on the server's disk when
    it returns, whatever the server's usual setting is."""
    durable = "coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on')"
    connection.exec_driver_sql(
        f"SELECT set_config('lock_timeout', '{patience_ms}', true), "
        f"set_config('synchronous_commit', {durable}, true), pg_advisory_xact_lock({WRITERS})"
    )


def in_use(connection: Connection) -> int:
    """How many other connections of this program the database has."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = :name AND pid <> pg_backend_pid()"
    )
    return connection.execute(text(others), {"name": APPLICATION}).scalar_one()


def refuse_unsafe(connection: Connection, shown: str) -> None:
    """Raises for a server that would lose what was saved, or cannot keep every text."""
    settings = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("server_encoding", "fsync")}
    if settings["server_encoding"] != "UTF8":
        raise MedReasonError(
            f"The database {shown} keeps text as {settings['server_encoding']}, so not every comment can be kept. "
            "Make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
        )
    if settings["fsync"] != "on":
        raise MedReasonError(
            f"The server of {shown} runs with fsync off, so a power cut loses what was saved. Turn it on."
        )


def _migrate(connection: Connection, shown: str) -> None:
    before = schema_of(connection, shown)  # again, now that this process has its turn
    if before == NEWEST:
        return
    if before:
        log.warning(
            "The database %s is brought from schema %s to %s in one transaction. The way back is a pg_dump that "
            "was made before.",
            *(shown, before, NEWEST),
        )
    migrate(connection)
