"""A database of the first schema is brought to versions whole, or stays as it was."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from medreason.domain.arms import Arm
from medreason.errors import MedReasonError
from medreason.services.people import PeopleService
from medreason.storage.database import Database
from medreason.storage.pairs import Pairs
from medreason.storage.people import People
from tests.old_store import make_old
from tests.store import Store


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "medreason.db"
    make_old(path)
    return path


def test_every_old_pair_becomes_the_only_shown_version_of_its_turn(old: Path) -> None:
    database = Database.open(old)
    pairs = Pairs(database)
    turns = pairs.in_conversation(1)
    assert [(pair.id, pair.turn, pair.version, pair.versions, pair.question) for pair in turns] == [
        (1, 1, 1, 1, "First?"),
        (2, 2, 1, 1, "Second?"),
    ]
    assert turns[0].answers[Arm.FINETUNED].provenance.continued_at == ()
    assert turns[0].sampling.min_p == 0 and pairs.get(7).sides.left is Arm.FINETUNED
    with database.read() as connection:
        assert connection.execute(text("SELECT comment FROM ratings")).scalars().all() == ["good"]
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


def test_an_old_conversation_goes_on_and_gets_versions(old: Path) -> None:
    database = Database.open(old)
    local = PeopleService(People(database)).current_user("local")
    pairs = Pairs(database)
    last = pairs.get(2)
    again = pairs.begin(local.id, 1, None, "Second?", "", last.sampling, Arm.BASELINE, False, turn=2)
    assert (again.id, again.version, again.versions) == (8, 2, 2), "ids are not given out twice"
    assert [pair.id for pair in pairs.in_conversation(1)] == [1, 8]
    database.close()


def test_a_question_and_its_drawn_place_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    store.pair()
    for change in ("UPDATE pairs SET question = 'x'", "UPDATE pairs SET version = 3", "DELETE FROM pairs"):
        with pytest.raises(IntegrityError, match="question"), store.database.write() as connection:
            connection.execute(text(change))
    store.close()


def test_a_turn_shows_one_version(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    first = store.pair()
    again = store.pairs.begin(
        store.admin.id, first.conversation_id, None, "Why?", "", first.sampling, Arm.BASELINE, True, turn=1
    )
    with pytest.raises(IntegrityError), store.database.write() as connection:
        connection.execute(text("UPDATE pairs SET shown = 1"))
    store.pairs.show(first.id)
    assert [pair.id for pair in store.pairs.in_conversation(first.conversation_id)] == [first.id]
    assert [pair.id for pair in store.pairs.with_versions(first.conversation_id)] == [first.id, again.id]
    store.close()


def test_a_fault_during_the_change_leaves_the_old_database_as_it_was(old: Path) -> None:
    """A rating that points to no pair, which only a fault of the disk or a foreign hand can make."""
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("INSERT INTO ratings VALUES (2, 99, 1, 1, 1, 2, '', 0, 'k2', 'h', '0.1.0', 't')")
        connection.commit()
    with pytest.raises(MedReasonError, match="ratings points to rows of pairs"):
        Database.open(old)
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
        assert connection.execute("SELECT count(*) FROM pairs").fetchall() == [(3,)]
        columns = [row[1] for row in connection.execute("PRAGMA table_info(pairs)")]
        assert "version" not in columns
