"""Looks at a store without changing it: can it be opened, which schema, does the audit's chain hold."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from medreason.errors import MedReasonError
from medreason.storage.audit import Audit, Verdict
from medreason.storage.database import Database
from medreason.storage.faults import reason
from medreason.storage.network import network_drive
from medreason.storage.postgres import plain_engine, refuse_unsafe
from medreason.storage.restoring import look
from medreason.storage.schema import NEWEST, schema_of


@dataclass(frozen=True)
class Health:
    """`schema` is empty for a store that was not made yet; `fault` says what is wrong with it."""

    schema: str = ""
    chain: Verdict | None = None
    drive: str = ""
    fault: str = ""

    @property
    def older(self) -> bool:
        return bool(self.schema) and self.schema != NEWEST


def health(store: str | Path) -> Health:
    """Never raises for what is wrong with the store."""
    try:
        return _server(store) if isinstance(store, str) else _file(store)
    except MedReasonError as fault:
        return Health(fault=str(fault))
    except (DBAPIError, NoSuchModuleError, ModuleNotFoundError) as fault:
        words = reason(fault) if isinstance(fault, DBAPIError) else str(fault)
        return Health(fault=f"The database cannot be reached ({words}). Check that it runs, and --database-url.")


def _file(path: Path) -> Health:
    drive = network_drive(path.parent)
    if not path.exists():
        return Health(drive=drive)
    found = look(path)
    return Health(found.schema, found.chain, drive)


def _server(url: str) -> Health:
    engine = plain_engine(url)
    try:
        with engine.connect() as connection:
            refuse_unsafe(connection, engine.url.render_as_string(hide_password=True))
            schema = schema_of(connection, engine.url.render_as_string(hide_password=True))
        chain = Audit(Database(engine)).verify() if schema == NEWEST else None
        return Health(schema, chain)
    finally:
        engine.dispose()
