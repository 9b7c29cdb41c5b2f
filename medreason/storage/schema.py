"""The schema of a store: which one it has, whether this program knows it, and how it is brought to the newest.

It works on a connection inside the caller's transaction, so that a store has the old schema or the new one.
"""

import re
import threading
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from medreason.errors import MedReasonError
from medreason.storage.tables import SCHEMAS

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = SCHEMAS[-1]
# Alembic keeps the running migration in globals of its own, so threads of one process take turns.
_MIGRATING = threading.Lock()


def refuse_unknown(versions: list[str], name: object) -> None:
    """Raises where a newer program wrote this store."""
    unknown = [version for version in versions if version not in SCHEMAS]
    if unknown:
        raise MedReasonError(
            f"The database {name} was written by a newer version of MedReason (schema {unknown[0]}, this "
            f"one knows {NEWEST}). It was left as it is. Use the newer version, or another data folder."
        )


def schema_of(connection: Connection, name: object) -> str:
    """The store's schema, empty for a store without tables. Raises for what is not ours or newer."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise MedReasonError(f"The database {name} holds tables of another program. Choose another.")
        return ""
    versions = [row[0] for row in connection.execute(text("SELECT version_num FROM alembic_version"))]
    refuse_unknown(versions, name)
    return versions[0] if versions else ""


def migrate(connection: Connection) -> None:
    """Bring the store to the newest schema."""
    from alembic import command  # here, because an up-to-date store need not wait for its import
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", re.sub("%", "%%", str(MIGRATIONS)))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _MIGRATING:
        command.upgrade(config, "head")
