"""Full and read-only disks, clocks that step, odd text, exports while raters write: nothing lost, all told."""

import os
import resource
import sqlite3
import subprocess
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError, OperationalError

from medreason.errors import Invalid, MedReasonError
from medreason.services.backing_up import BackingUp
from medreason.storage.backups import Backups
from medreason.storage.database import Database
from medreason.storage.faults import not_saved
from medreason.storage.tables import ratings
from tests.store import Store, rating
from tests.studies import NAME, judgement, with_study

LONG = "Why? " * 300


@contextmanager
def small_disk(folder: Path, size: str = "3m") -> Iterator[Path]:
    """A disk of its own of a few megabytes; skips where none can be made."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if os.geteuid() != 0 or made.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def filled_up(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 4096)
    return filler


def nothing_is_lost(store: Store, make_full: Callable[[], object], make_room: Callable[[], object]) -> None:
    """Saved, refused in words while there is no room, saved once there is: each once, and the file is sound."""
    rater = store.people.rater(store.admin.id, "Ann")
    pair = store.pair()
    store.ratings.append(pair.id, rater.id, rating(1, comment="before"))
    make_full()
    try:
        for number in range(50):  # the log grows until there is no room
            given = rating(2 + number % 2, comment=f"{number} {LONG}", key=str(number))
            store.ratings.append(pair.id, rater.id, given)
        raise AssertionError("the disk never got full")
    except MedReasonError as fault:
        assert str(fault) == "Not saved, the disk is full or faulty. Free some space."
    assert given.comment == f"{number} {LONG}", "whoever gave it still has it"
    kept = [one.rating.comment for one in store.ratings.all()]
    assert kept == ["before", *(f"{earlier} {LONG}" for earlier in range(number))]
    make_room()
    for _ in range(2):  # sent again, twice
        store.ratings.append(pair.id, rater.id, given)
    assert [one.rating.comment for one in store.ratings.all()] == [*kept, given.comment]
    path = Path(store.database.engine.url.database)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    Store(path).close()


def test_a_full_disk_says_not_saved_and_works_again_once_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        store = Store(disk / "medreason.db")
        nothing_is_lost(store, lambda: filled_up(disk), lambda: (disk / "filler").unlink())


def test_a_file_that_may_not_grow_says_not_saved_and_works_again_afterwards(tmp_path):
    """The same without root: a limit on the size of files."""
    path = tmp_path / "medreason.db"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        largest = max(file.stat().st_size for file in path.parent.glob("medreason.db*"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 20_000, before[1]))

    try:
        nothing_is_lost(Store(path), limit, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_gets_full_during_a_backup_leaves_none_and_the_app_goes_on(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        store = Store(disk / "medreason.db")
        pair, rater = store.pair(), store.people.rater(store.admin.id, "Ann")
        filler = filled_up(disk)
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - 100_000)
        backing = BackingUp(disk / "medreason.db", every_hours=1)
        assert backing.look() is None and "copied" in backing.fault
        assert Backups.beside(disk / "medreason.db").all() == [] and not list(disk.glob("backups/.*"))
        store.ratings.append(pair.id, rater.id, rating(comment="goes on"))
        filler.unlink()
        assert backing.look() is not None and backing.fault == ""
        store.close()


def test_a_read_only_disk_is_refused_at_the_start_and_works_again_afterwards(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        store = Store(disk / "medreason.db")
        store.ratings.append(store.pair().id, store.people.rater(store.admin.id, "Ann").id, rating(comment="kept"))
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(MedReasonError, match="cannot be written"):
            Database.open(disk / "medreason.db")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        store = Store(disk / "medreason.db")
        assert [one.rating.comment for one in store.ratings.all()] == ["kept"]
        store.close()


@pytest.mark.parametrize(
    "words,said",
    [
        ("attempt to write a readonly database", "read-only"),
        ("cannot execute INSERT in a read-only transaction", "read-only"),
        ("database or disk is full", "full"),
        ("disk I/O error", "full or faulty"),
        ('could not extend file "base/1": No space left on device', "full"),
        ("database is locked", "busy"),
        ("canceling statement due to lock timeout", "busy"),
        ("FATAL: sorry, too many clients already", "busy"),
        ("terminating connection due to administrator command", "cannot be reached"),
        ("server closed the connection unexpectedly", "cannot be reached"),
        ("something new", "refused it (something new)"),
    ],
)
def test_what_a_database_says_is_told_in_words(words, said):
    told = str(not_saved(OperationalError("INSERT", {}, Exception(words))))
    assert told.startswith("Not saved, ") and said in told


def test_a_clock_that_steps_back_a_day_changes_no_order_of_live_ratings(place, monkeypatch):
    store = Store(place)
    times = iter(f"2026-03-{day:02d}T00:59:59.999Z" for day in (29, 28, 30, 29, 1))
    monkeypatch.setattr("medreason.storage.ratings.utc_now", lambda: next(times))
    pair, rater = store.pair(), store.people.rater(store.admin.id, "Ann")
    for value in (1, 2, 3, 4, 5):
        store.ratings.append(pair.id, rater.id, rating(value))
    kept = store.ratings.all()
    assert [one.revision_no for one in kept] == [1, 2, 3, 4, 5]
    assert [one.superseded for one in kept] == [True] * 4 + [False]
    assert store.ratings.latest(pair.id, rater.id).revision_no == 5
    assert all(one.submitted_at.endswith("Z") for one in kept)
    store.close()


@pytest.mark.parametrize("active", [-1, -86_400_000])
def test_a_negative_time_at_work_is_refused(active):
    with pytest.raises(Invalid, match="time|active"):
        judgement(active_ms=active)


TEXTS = {
    "family of emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308",
    "combining marks": "e\u0301 \u00e9 Z\u0351\u036b\u0343",
    "right to left": "\u200f\u05d7\u05d5\u05dc\u05d4 \u202emirrored\u202c \u0645\u0631\u064a\u0636",
    "line ends": "one\r\ntwo\rthree\nfour\u2028five\u0085six",
    "a formula": '=HYPERLINK("http://x")\t+1,=2',
    "spaces around": " \t said \n ",
    "whitespace only": " \n\t ",
}
REFUSED = {"a NUL": "a\x00b", "a lone surrogate": "a\ud800b", "a megabyte": "x" * 1_000_001}


@pytest.mark.parametrize("name", TEXTS)
def test_odd_text_is_stored_exactly(place, name):
    desk = with_study(place)
    view = desk.sessions.next(desk.local, "Anna", NAME)
    desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(comment=TEXTS[name]), identifiers_ok=True)
    assert desk.store.judgements.of([view.showing_id])[0].judgement.comment == TEXTS[name]
    rater = desk.people.rater(desk.local.id, "Anna")
    pair = desk.pair()
    desk.ratings.append(pair.id, rater.id, rating(comment=TEXTS[name]))
    assert desk.ratings.latest(pair.id, rater.id).rating.comment == TEXTS[name]
    desk.close()


@pytest.mark.parametrize("name", REFUSED)
def test_text_that_cannot_be_kept_is_refused_with_the_reason_and_never_cut(name):
    for make in (judgement, rating):
        with pytest.raises(Invalid, match="cannot be stored|characters; shorten it"):
            make(comment=REFUSED[name])


def test_an_export_while_raters_write_is_one_moment(place):
    """Every judgement in it is whole, what is superseded has its successor, and the audit ends where it ends."""
    desk = with_study(place, count=4, raters=("Anna", "Ben", "Carl"))
    showings = desk.store.showings.of_study(1)
    ended, faults = threading.Event(), []

    def write(rater: str, number: int) -> None:
        mine = [one.id for one in showings if one.rater_id == number]
        try:
            turn = 0
            while not ended.is_set():
                given = judgement(left=1 + turn % 5, reason="again", comment=f"{turn}")
                desk.sessions.submit(desk.local, rater, mine[turn % len(mine)], given)
                turn += 1
        except BaseException as fault:  # noqa: BLE001
            faults.append(fault)

    threads = [
        threading.Thread(target=write, args=(rater, number))
        for number, rater in enumerate(("Anna", "Ben", "Carl"), start=1)
    ]
    for thread in threads:
        thread.start()
    try:
        heads = set()
        while len(heads) < 8 and not faults:
            found = desk.collections.records(desk.local, NAME)
            rows = [*found.ratings, *found.training]
            counted = Counter(row["rating_id"] for row in rows)
            assert set(counted.values()) <= {8}, "each revision has all its items"
            judged = [one for one in found.events if one["action"].startswith(("judged", "revision"))]
            assert len(judged) == len(counted), "as many as the audit says"
            heads.add(found.audit_head)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not faults and len(heads) == 8
    desk.close()


def test_what_somebody_typed_is_never_in_the_log_of_a_fault(place):
    store = Store(place)
    pair, rater = store.pair(), store.people.rater(store.admin.id, "Ann")
    typed = "Mrs Jane Roe, MRN 12345"
    new = {"pair_id": pair.id, "presentation_id": 1, "rater_id": rater.id, "revision_no": 1, "comment": typed}
    with pytest.raises(DBAPIError) as fault, store.database.write() as connection:
        connection.execute(insert(ratings).values(**new))  # what else a rating needs is missing
    logged = "".join(traceback.format_exception(fault.value))
    assert "INSERT INTO ratings" in logged and "null" in logged.lower() and "Jane" not in logged
    store.close()
