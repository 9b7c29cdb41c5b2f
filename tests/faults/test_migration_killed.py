"""A process that is killed while it brings a database to the newest schema leaves the old one or the new one."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from medreason.storage.backups import Backups
from medreason.storage.schema import NEWEST
from medreason.storage.tables import SCHEMAS
from tests.conftest import CHECKOUT
from tests.old_store import make_old
from tests.store import Store

# Opens the store in forked children, the n-th of which kills itself at its n-th chosen statement; says how many
# statements a whole migration has.
MIGRATOR = """
import os, shutil, signal, sys
from pathlib import Path
import alembic.command
from sqlalchemy import event
from sqlalchemy.engine import Engine
from medreason.storage.database import Database
old, folder, share = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def migrate(path, killed_at):
    path.parent.mkdir()
    shutil.copy(old, path)
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        done = 0
        def count(*_):
            nonlocal done
            done += 1
            if done == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
        event.listen(Engine, "before_cursor_execute", count)
        event.listen(Engine, "commit", count)
        Database.open(path).close()
        os.write(tell, str(done).encode())
        os._exit(0)
    os.close(tell)
    status = os.waitpid(child, 0)[1]
    said = os.read(told, 10)
    return int(said) if said else -status

whole = migrate(folder / "whole" / "medreason.db", 0)
killed = [migrate(folder / str(at) / "medreason.db", at) for at in range(1, whole + 1, max(1, whole // share))]
print(whole, *killed)
"""


@pytest.mark.parametrize("schema,share", [("0001", 12), (SCHEMAS[-2], 8)])
def test_a_kill_at_any_statement_leaves_the_old_schema_or_the_new_one(tmp_path, schema, share):
    old, folder = tmp_path / "old.db", tmp_path / "killed"
    folder.mkdir()
    make_old(old, schema)
    ran = subprocess.run(
        [sys.executable, "-c", MIGRATOR, str(old), str(folder), str(share)],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    whole, *ends = (int(word) for word in ran.stdout.split())
    assert whole > 10 and len(ends) >= share and set(ends) == {-signal.SIGKILL}
    found = []
    for path in sorted(folder.glob("*/medreason.db")):
        with closing(sqlite3.connect(path)) as connection:
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            assert connection.execute("SELECT comment FROM ratings").fetchall() == [("good",)]
        found.append(version)
        store = Store(path)  # and the next start brings it to the end
        assert [one.rating.comment for one in store.ratings.all()] == ["good"]
        assert store.pairs.get(7).question == "Other?"
        store.close()
    assert set(found) == {schema, NEWEST}, "the whole one is new, and some of the killed ones are old"


def test_the_old_file_is_copied_before_it_is_brought_to_the_newest_schema(tmp_path):
    path = tmp_path / "medreason.db"
    make_old(path, SCHEMAS[-2])
    Store(path).close()
    (kept,) = Backups.beside(path).all()
    assert kept.name.endswith(f"-before-schema-{NEWEST}.db")
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMAS[-2],)]
        assert connection.execute("SELECT comment FROM ratings").fetchall() == [("good",)]
    shutil.move(kept, path)  # the way back works
    Store(path).close()
    assert len(Backups.beside(path).all()) == 1
