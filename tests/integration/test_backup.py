"""Backups while raters write, and the way back: row for row, checked, never under a running app."""

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from medreason.cli import main
from medreason.errors import Busy, MedReasonError
from medreason.services.backing_up import KEPT, BackingUp, back_up, restore
from medreason.storage import dumps
from medreason.storage.backups import Backups
from medreason.storage.database import Database
from medreason.storage.tables import SCHEMAS
from tests.conftest import CHECKOUT
from tests.old_store import make_old
from tests.rating_drills import WRITER
from tests.store import Store, rating
from tests.studies import NAME, StudyDesk, judgement, with_study

RESTORED_WITHIN_S = 60


def rows(path: Path) -> dict[str, list]:
    with closing(sqlite3.connect(path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall() for name in names}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "medreason.db"


def test_a_backup_while_raters_write_holds_all_that_was_acknowledged_before_it(path, tmp_path):
    with_study(path, raters=("Anna",), count=4).close()
    command = [sys.executable, "-c", WRITER, str(path), "w"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as writer:
        assert writer.stdout is not None
        try:
            before = [writer.stdout.readline().strip() for _ in range(8)][1:]
            said = back_up(path, tmp_path / "one.db")
            after = writer.stdout.readline()  # it went on writing
        finally:
            writer.kill()
    assert after and "all checked" in said
    desk = StudyDesk(tmp_path / "one.db")
    comments = [one.judgement.comment for one in desk.store.judgements.of([1, 2, 3, 4, 5, 6])]
    assert set(before) <= set(comments) and len(comments) == len(set(comments))
    assert desk.store.audit.verify().holds
    desk.close()


def test_a_restored_backup_equals_it_row_for_row_and_the_old_file_is_kept(path, tmp_path):
    desk = with_study(path, count=3)
    view = desk.sessions.next(desk.local, "Anna", NAME)
    desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(comment="kept"), True)
    back_up(path, tmp_path / "one.db")
    wanted = rows(path)
    view = desk.sessions.next(desk.local, "Anna", NAME)
    desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(comment="later"), True)
    desk.close()
    newer = rows(path)
    began = time.monotonic()
    said = restore(tmp_path / "one.db", path, replace=True)
    assert time.monotonic() - began < RESTORED_WITHIN_S
    assert rows(path) == wanted != newer
    (kept,) = path.parent.glob("medreason.db.replaced-*")
    assert str(kept) in said and rows(kept) == newer
    desk = StudyDesk(path)  # and it works
    view = desk.sessions.next(desk.local, "Anna", NAME)
    desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(comment="again"), True)
    assert desk.store.audit.verify().holds
    desk.close()


def test_a_backup_goes_into_an_empty_folder(path, tmp_path):
    store = Store(path)
    store.ratings.append(store.pair().id, store.people.rater(store.admin.id, "Ann").id, rating(comment="kept"))
    store.close()
    assert main(["backup", str(tmp_path / "one.db"), "--data-dir", str(path.parent)]) == 0
    asked = ["restore", str(tmp_path / "one.db"), "--data-dir", str(tmp_path / "new")]
    assert main(asked) == 0
    assert rows(tmp_path / "new" / "medreason.db") == rows(path)
    assert main(asked) == 2, "there is a database now"
    assert main([*asked, "--replace"]) == 0


def test_nothing_is_replaced_while_the_database_is_in_use(path, tmp_path):
    store = Store(path)
    store.pair()
    back_up(path, tmp_path / "one.db")
    before = rows(path)
    with pytest.raises(Busy, match="in use. Stop the app"):
        restore(tmp_path / "one.db", path, replace=True)
    store.ratings.append(1, store.people.rater(store.admin.id, "Ann").id, rating())  # untouched, and still works
    store.close()
    assert rows(path)["pairs"] == before["pairs"]
    assert sorted(one.name for one in path.parent.iterdir()) == ["medreason.db"]
    restore(tmp_path / "one.db", path, replace=True)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "one byte of the audit", "foreign", "missing"])
def test_a_backup_that_is_not_whole_is_refused_before_anything_is_touched(path, tmp_path, damage):
    with_study(path).close()
    backup = tmp_path / "one.db"
    back_up(path, backup)
    if damage == "truncated":
        backup.write_bytes(backup.read_bytes()[:-8192])
    elif damage == "garbage":
        backup.write_bytes(b"?" * 20_000)
    elif damage == "missing":
        backup.unlink()
    else:
        with closing(sqlite3.connect(backup)) as connection:
            if damage == "foreign":
                connection.execute("DROP TABLE alembic_version")
            else:
                connection.execute("DROP TRIGGER audit_update")
                connection.execute("UPDATE audit SET actor = actor || 'x' WHERE id = 2")
            connection.commit()
    before = path.read_bytes()
    with pytest.raises(MedReasonError, match="damaged|altered: entry 2|another program|no file"):
        restore(backup, path, replace=True)
    assert path.read_bytes() == before and [one.name for one in path.parent.iterdir()] == ["medreason.db"]


def test_a_backup_takes_the_place_of_a_damaged_file_which_is_kept(path, tmp_path):
    Store(path).close()
    back_up(path, tmp_path / "one.db")
    path.write_bytes(b"?" * 9000)
    restore(tmp_path / "one.db", path, replace=True)
    (kept,) = path.parent.glob("medreason.db.replaced-*")
    assert kept.read_bytes() == b"?" * 9000
    Store(path).close()


def test_a_backup_of_an_older_version_is_restored_and_brought_up_at_the_next_start(path, tmp_path):
    make_old(tmp_path / "old.db", SCHEMAS[-2])
    said = restore(tmp_path / "old.db", path, replace=False)
    assert "next start brings it to this version's schema" in said
    store = Store(path)
    assert [one.rating.comment for one in store.ratings.all()] == ["good"]
    store.close()


def test_a_backup_never_overwrites_and_says_what_is_missing(path, tmp_path):
    Store(path).close()
    taken = tmp_path / "taken.db"
    taken.write_text("mine")
    with pytest.raises(MedReasonError, match="there already"):
        back_up(path, taken)
    with pytest.raises(MedReasonError, match="does not exist"):
        back_up(path, tmp_path / "no" / "such" / "one.db")
    with pytest.raises(MedReasonError, match="no database.*--data-dir"):
        back_up(tmp_path / "none.db", tmp_path / "one.db")
    assert taken.read_text() == "mine"


def test_the_running_app_makes_a_backup_when_one_is_due_and_keeps_the_newest(path):
    Store(path).close()
    now = datetime.now(UTC)
    backing = BackingUp(path, every_hours=6, now=lambda: now)
    assert "no backup yet" in backing.sentence()
    assert backing.look() is not None and backing.look() is None, "one is enough"
    assert "every 6 hours" in backing.sentence()
    backups = Backups.beside(path)
    by_hand = shutil.copy(backups.all()[0], backups.folder / "medreason-20010101T000000Z-by-hand.db")
    for day in range(1, KEPT + 3):
        shutil.copy(backups.all()[-1], backups.folder / f"medreason-200202{day:02d}T000000Z-automatic.db")
    now += timedelta(hours=7)
    made = backing.look()
    assert len(backups.all("automatic")) == KEPT and made in backups.all("automatic")
    assert Path(by_hand).exists(), "only what it made is removed"
    path.write_bytes(b"?" * 9000)
    now += timedelta(hours=7)
    assert backing.look() is None and "last try failed" in backing.sentence()
    assert len(backups.all("automatic")) == KEPT, "a failed try removes nothing"


def test_a_clock_that_was_ahead_does_not_stop_backups(path):
    Store(path).close()
    now = datetime.now(UTC)
    assert BackingUp(path, 6, lambda: now).look() is not None
    assert BackingUp(path, 6, lambda: now - timedelta(days=400)).look() is not None


def test_a_backup_that_is_due_is_made_in_the_background(path):
    Store(path).close()
    backing = BackingUp(path, every_hours=6)
    backing.start()
    deadline = time.monotonic() + 30
    while not Backups.beside(path).all() and time.monotonic() < deadline:
        time.sleep(0.01)
    backing.stop()
    assert len(Backups.beside(path).all()) == 1


def test_a_postgres_backup_comes_back_row_for_row_into_an_empty_database(postgres, postgres_url, tmp_path):
    desk = with_study(postgres_url, count=2)
    view = desk.sessions.next(desk.local, "Anna", NAME)
    desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(comment="kept"), True)
    said = back_up(postgres_url, tmp_path / "one.dump")
    assert "pg_dump" in said
    with pytest.raises(MedReasonError, match="in use"):
        restore(tmp_path / "one.dump", postgres_url, replace=False)
    wanted = postgres_rows(desk.database)
    desk.close()
    with pytest.raises(MedReasonError, match="holds tables already"):
        restore(tmp_path / "one.dump", postgres_url, replace=False)
    with pytest.raises(MedReasonError, match="backup of PostgreSQL"):
        restore(tmp_path / "one.dump", tmp_path / "new.db", replace=False)
    empty = postgres.url(postgres.make())
    restore(tmp_path / "one.dump", empty, replace=False)
    desk = StudyDesk(empty)
    assert postgres_rows(desk.database) == wanted
    view = desk.sessions.next(desk.local, "Anna", NAME)
    desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(comment="again"), True)
    desk.close()


def postgres_rows(database: Database) -> dict[str, list]:
    with database.read() as connection:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        names = list(connection.exec_driver_sql(tables).scalars())
        assert len(names) > 15
        return {
            name: connection.exec_driver_sql(f"SELECT t::text FROM {name} t ORDER BY 1").all() for name in names
        }


def test_without_pg_dump_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(dumps.shutil, "which", lambda name: None)
    with pytest.raises(MedReasonError, match="pg_dump is not installed here. Install PostgreSQL's client"):
        back_up("postgresql+psycopg://me:secret@h/d", tmp_path / "one.dump")
    assert list(tmp_path.iterdir()) == []
