"""PostgreSQL as the store: what holds across processes, and what it says when it cannot be used.

Two `Database` on one url know nothing of each other, as two processes would not.
"""

import subprocess
import sys
import threading

import pytest
from sqlalchemy import insert, select, text

from medreason.errors import Busy, MedReasonError
from medreason.storage import database as database_module
from medreason.storage.database import Database
from medreason.storage.postgres import in_use
from medreason.storage.schema import NEWEST
from medreason.storage.tables import SCHEMAS, users
from tests.conftest import CHECKOUT
from tests.old_store import make_old
from tests.store import Store, rating


def _add(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(users).values(name=name, name_key=name, role="rater", created_at=""))


def _names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(users.c.name).order_by(users.c.id)).scalars())


def test_writers_of_two_processes_number_revisions_and_chain_the_audit_in_turn(postgres_url):
    stores = Store(postgres_url), Store(postgres_url)
    pair, rater = stores[0].pair(), stores[0].people.rater(stores[0].admin.id, "Anna")
    together = threading.Barrier(8)

    def write(number: int) -> None:
        store = stores[number % 2]
        together.wait(timeout=30)
        for turn in range(5):
            store.ratings.append(pair.id, rater.id, rating(1 + turn % 5, comment=f"{number}-{turn}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = stores[1].ratings.all()
    assert [one.revision_no for one in kept] == list(range(1, 41))
    assert [one.id for one in kept] == sorted(one.id for one in kept)
    for store in stores:
        store.close()


def test_a_reader_sees_one_moment_while_others_write(postgres_url):
    one, other = Database.open(postgres_url), Database.open(postgres_url)
    _add(one, "ann")
    count = text("SELECT count(*) FROM users")
    with one.read() as connection:
        assert connection.execute(count).scalar_one() == 1
        _add(other, "ben")
        assert connection.execute(count).scalar_one() == 1
    assert _names(one) == ["ann", "ben"]
    one.close()
    other.close()


def test_a_reader_cannot_write(postgres_url):
    database = Database.open(postgres_url)
    with pytest.raises(MedReasonError, match="could not be read"), database.read() as connection:
        connection.execute(insert(users).values(name="x", name_key="x", role="rater", created_at=""))
    assert _names(database) == []
    database.close()


def test_a_turn_that_does_not_come_says_not_saved(postgres_url, monkeypatch):
    one, other = Database.open(postgres_url), Database.open(postgres_url)
    monkeypatch.setattr(database_module, "LONGEST_TURN_S", 0.05)
    with one.write():
        with pytest.raises(Busy, match="^Not saved, the database is busy"):
            _add(other, "ben")
    _add(other, "ben")
    assert _names(one) == ["ben"]
    one.close()
    other.close()


def test_every_commit_is_durable_whatever_the_server_is_set_to(postgres, postgres_url):
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = off")
    database = Database.open(postgres_url)
    with database.write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()
    postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    database = Database.open(postgres_url)
    with database.write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "remote_apply"
    database.close()


def test_a_server_that_went_away_says_not_saved_and_works_again_afterwards(postgres, postgres_url):
    database = Database.open(postgres_url)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'medreason'"
    with pytest.raises(Busy, match="^Not saved, the database cannot be reached"), database.write() as connection:
        connection.execute(insert(users).values(name="x", name_key="x", role="rater", created_at=""))
        postgres.run(ended)
    _add(database, "ann")
    assert _names(database) == ["ann"]
    database.close()


def test_ten_openings_of_an_empty_database_at_once_make_it_once(postgres):
    url, opened = postgres.url(postgres.make()), []
    threads = [threading.Thread(target=lambda: opened.append(Database.open(url))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 10
    with opened[0].read() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all() == [NEWEST]
        assert in_use(connection) >= 1
    for database in opened:
        database.close()


@pytest.mark.parametrize("schema", ["0001", SCHEMAS[-2]])
def test_an_older_schema_with_data_is_brought_to_the_newest_and_says_what_the_way_back_is(
    postgres, schema, caplog
):
    url = postgres.url(postgres.make())
    make_old(url, schema)
    store = Store(url)
    assert "pg_dump" in caplog.text and f"from schema {schema} to {NEWEST}" in caplog.text
    assert [one.rating.comment for one in store.ratings.all()] == ["good"]
    assert store.pairs.get(7).question == "Other?"
    assert store.pair().id == 8
    store.close()


def test_a_migration_that_fails_leaves_the_old_schema_and_its_data(postgres, monkeypatch):
    url = postgres.url(postgres.make())
    make_old(url)

    def fails(connection):
        migrate(connection)
        raise MedReasonError("in the middle")

    from medreason.storage import postgres as module

    migrate = module.migrate
    monkeypatch.setattr(module, "migrate", fails)
    with pytest.raises(MedReasonError, match="in the middle"):
        Database.open(url)
    monkeypatch.undo()
    store = Store(url)
    assert [one.rating.comment for one in store.ratings.all()] == ["good"]
    store.close()


def test_what_cannot_be_used_is_refused_in_words(postgres, postgres_url):
    name = postgres.make()
    foreign, newer, ascii_only = postgres.url(name), postgres_url, "old_words"
    postgres.run(f"CREATE DATABASE {ascii_only} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    database = Database.open(newer)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    bare = Database.open(foreign)
    with bare.write() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    bare.close()
    for url, said in (
        (newer, "newer version of MedReason"),
        (foreign, "another program"),
        (postgres.url(ascii_only), "SQL_ASCII.*ENCODING 'UTF8'"),
        (postgres.url("nowhere"), "cannot be opened.*does not exist"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/x", "cannot be opened"),
    ):
        with pytest.raises(MedReasonError, match=said) as refused:
            Database.open(url)
        assert "secret" not in str(refused.value)
    postgres.drop(ascii_only)


def test_psycopg_is_not_imported_for_a_file(tmp_path):
    code = (
        "import sys; from pathlib import Path; from medreason.storage.database import Database; "
        "Database.open(Path(sys.argv[1])).close(); sys.exit('psycopg' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.db")], check=True, cwd=CHECKOUT)
