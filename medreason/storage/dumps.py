"""Backups of a PostgreSQL database by PostgreSQL's own programs, where they are installed.

The password goes through the environment, never through the command line, which others on the computer can read.
"""

import os
import shutil
import subprocess
import uuid
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import make_url

from medreason.errors import Busy, MedReasonError
from medreason.storage.audit import Audit
from medreason.storage.backups import put
from medreason.storage.database import Database
from medreason.storage.postgres import in_use, plain_engine

WITHIN_S = 3600
MARK = b"PGDMP"


def is_dump(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(MARK)) == MARK


def dump(url: str, target: Path) -> None:
    """Write the database as it stands at one moment, while others write it, into a file that is read once through
    before it counts. Raises in words and leaves nothing new at `target`."""
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        _run("pg_dump", url, "--format=custom", "--no-owner", "--file", str(draft))
        _run("pg_restore", "", "--list", str(draft))
        put(draft, target)
    except OSError as fault:
        raise MedReasonError(f"The backup {target} could not be written ({fault.strerror}).") from fault
    finally:
        draft.unlink(missing_ok=True)


def restore_dump(file: Path, url: str) -> None:
    """Fill an empty database from a dump in one transaction, then check the audit's chain. Raises in words."""
    if not is_dump(file):
        raise MedReasonError(f"{file} is no backup of a PostgreSQL database.")
    engine = plain_engine(url)
    try:
        with engine.connect() as connection:
            if in_use(connection):
                raise Busy("The database is in use. Stop the app and every other command on it, then restore.")
            if inspect(connection).get_table_names():
                raise MedReasonError(
                    "The database holds tables already, and a backup is never put over them. Make an empty one "
                    "(createdb NAME), and name it with --database-url."
                )
    finally:
        engine.dispose()
    _run("pg_restore", url, "--exit-on-error", "--single-transaction", "--no-owner", str(file))
    database = Database.open(url)
    try:
        chain = Audit(database).verify()
    finally:
        database.close()
    if not chain.holds:
        raise MedReasonError(
            f"The audit in {file} was altered: entry {chain.broken_at} does not follow from the one before. "
            "Use another backup, in another empty database."
        )


def _run(program: str, url: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise MedReasonError(
            f"{program} is not installed here. Install PostgreSQL's client programs (Debian: postgresql-client), "
            "or run it on the server."
        )
    environment, named = dict(os.environ), []
    if url:
        parts = make_url(url)
        if parts.password is not None:
            environment["PGPASSWORD"] = str(parts.password)
        bare = parts.set(drivername="postgresql", password=None)
        named = ["--dbname", bare.render_as_string(hide_password=False)]
    try:
        ran = subprocess.run(
            [found, *named, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WITHIN_S,
        )
    except subprocess.TimeoutExpired as fault:
        raise MedReasonError(f"{program} did not end within an hour.") from fault
    if ran.returncode != 0:
        last = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise MedReasonError(f"{program} failed: {last.rstrip('.')}.")
