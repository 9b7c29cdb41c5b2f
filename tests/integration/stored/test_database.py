"""Opening the store: settings of every connection, and refusals that leave the file alone."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from medreason.errors import Busy, MedReasonError
from medreason.storage.database import Database
from medreason.storage.schema import MIGRATIONS
from medreason.storage.tables import SCHEMAS, metadata


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "medreason.db"


def test_a_new_file_is_made_whole_and_leaves_nothing_beside_it(path):
    database = Database.open(path)
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["medreason.db"]


def test_opening_again_keeps_what_is_there(path):
    database = Database.open(path)
    with database.write() as connection:
        connection.execute(text("INSERT INTO users(name, name_key, role, created_at) VALUES ('a','a','admin','')"))
    database.close()
    again = Database.open(path)
    with again.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar_one() == 1
    again.close()


def test_every_connection_is_durable_and_checks_foreign_keys(path):
    database = Database.open(path, busy_timeout_s=7)
    seen, together = [], threading.Barrier(12)

    def look() -> None:
        with database.read() as connection:
            together.wait(timeout=10)  # so that twelve connections are open at once
            ask = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
            seen.append((ask, id(connection.connection.dbapi_connection)))

    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "recursive_triggers")
    threads = [threading.Thread(target=look) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({connection for _, connection in seen}) == 12
    assert all(settings == ["wal", 2, 1, 7000, 1] for settings, _ in seen)
    database.close()


def test_the_tables_in_code_are_those_the_migrations_make(path):
    database = Database.open(path)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_the_known_schemas_are_the_migrations(tmp_path):
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert tuple(reversed([script.revision for script in scripts.walk_revisions()])) == SCHEMAS


def test_a_newer_schema_is_refused_and_the_file_untouched(path):
    Database.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = _bytes(path.parent)
    with pytest.raises(MedReasonError, match="newer version of MedReason"):
        Database.open(path)
    assert _bytes(path.parent) == before


@pytest.mark.parametrize("damage", ["garbage", "truncated", "flipped", "empty"])
def test_a_damaged_file_is_refused_and_untouched(path, damage):
    Database.open(path).close()
    whole = path.read_bytes()
    broken = {
        "garbage": b"not a database at all, " * 500,
        "truncated": whole[: len(whole) // 2],
        "flipped": whole[:4096] + b"\xff" * 4096 + whole[8192:],
        "empty": b"",
    }[damage]
    path.write_bytes(broken)
    with pytest.raises(MedReasonError, match="damaged|empty"):
        Database.open(path)
    assert path.read_bytes() == broken


def test_a_database_of_another_program_is_refused_and_untouched(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks(id)")
        connection.commit()
    before = _bytes(path.parent)
    with pytest.raises(MedReasonError, match="another program"):
        Database.open(path)
    assert _bytes(path.parent) == before


def test_a_place_that_cannot_be_used_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "no" / "such" / "a.db", tmp_path / "file" / "a.db"):
        with pytest.raises(MedReasonError):
            Database.open(place)
    for url in ("sqlite://", "nonsense://x", "://", "mysql://h/d"):
        with pytest.raises(MedReasonError):
            Database.open(url)


def test_a_path_with_odd_characters_works(tmp_path):
    path = tmp_path / "50% of Zoë's data #1?.db"
    Database.open(path).close()
    Database.open(path).close()
    assert path.stat().st_size > 0


def test_a_busy_database_says_not_saved_and_saves_nothing(path):
    database = Database.open(path, busy_timeout_s=0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="^Not saved"), database.write() as connection:
            connection.execute(text("SELECT 1"))
        other.execute("ROLLBACK")
    with database.write() as connection:
        connection.execute(text("SELECT 1"))
    database.close()


def test_a_fault_inside_a_transaction_takes_it_all_back(path):
    database = Database.open(path)
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(text("INSERT INTO users(name, name_key, role, created_at) VALUES ('a','a','x','')"))
        raise ZeroDivisionError
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM users")).scalar_one() == 0
    database.close()
