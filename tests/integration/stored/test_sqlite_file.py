"""A SQLite file that cannot be used is kept, what to do is said, and no place is taken where it cannot be safe."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from medreason.errors import MedReasonError
from medreason.storage import network
from medreason.storage.backups import Backups, copy_file
from medreason.storage.database import Database
from medreason.storage.network import network_drive
from tests.conftest import CHECKOUT
from tests.store import Store, rating

MOUNTS = """\
overlay / overlay rw,relatime 0 0
{disk} {folder} ext4 rw 0 0
server:/homes {folder}/far nfs4 rw,vers=4.2 0 0
me@host: {folder}/my\\040host fuse.sshfs rw 0 0
tmpfs {folder}/far/near tmpfs rw 0 0
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "medreason.db"


@pytest.mark.parametrize(
    "place,drive",
    [("", ""), ("far", "nfs4"), ("far/deep/er", "nfs4"), ("my host", "fuse.sshfs"), ("far/near", "")],
)
def test_a_network_drive_is_told_from_a_disk(tmp_path, monkeypatch, place, drive):
    listed = tmp_path / "mounts"
    listed.write_text(MOUNTS.format(disk="/dev/sda1", folder=tmp_path))
    monkeypatch.setattr(network, "MOUNTS", listed)
    assert network_drive(tmp_path / place) == drive


def test_a_database_on_a_network_drive_is_refused_and_none_is_made(tmp_path, monkeypatch):
    listed, far = tmp_path / "mounts", tmp_path / "far"
    far.mkdir()
    listed.write_text(MOUNTS.format(disk="/dev/sda1", folder=tmp_path))
    monkeypatch.setattr(network, "MOUNTS", listed)
    with pytest.raises(MedReasonError, match="network drive.*nfs4.*--data-dir, or PostgreSQL with --database-url"):
        Database.open(far / "medreason.db")
    assert list(far.iterdir()) == []


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "no tables"])
def test_a_damaged_file_is_kept_and_the_newest_backup_named(path, damage):
    Database.open(path).close()
    backups = Backups.beside(path)
    older, newer = (copy_file(path, backups.place("by-hand")) for _ in range(2))
    older.rename(older.with_name("medreason-20200101T000000Z-by-hand.db"))
    if damage == "no tables":
        path.unlink()
        with create_engine(f"sqlite:///{path}").begin() as connection:
            connection.exec_driver_sql("CREATE TABLE x(y)")
            connection.exec_driver_sql("DROP TABLE x")
    else:
        whole = path.read_bytes()
        path.write_bytes({"garbage": b"?" * 9000, "truncated": whole[: len(whole) // 2], "empty": b""}[damage])
    broken = path.read_bytes()
    with pytest.raises(MedReasonError, match="damaged|empty") as refused:
        Database.open(path)
    assert str(newer) in str(refused.value) and "app.py restore" in str(refused.value)
    assert path.read_bytes() == broken and len(backups.all()) == 2


def test_a_log_cut_short_loses_its_last_commit_at_most_and_the_file_opens(path):
    """The write-ahead log after a crash of the machine: SQLite takes what is whole of it."""
    store = Store(path)
    pair, rater = store.pair(), store.people.rater(store.admin.id, "Ann")
    for number in range(5):
        store.ratings.append(pair.id, rater.id, rating(1 + number, comment=str(number)))
    crashed = path.parent / "crashed"
    crashed.mkdir()
    for file in path.parent.glob("medreason.db*"):
        shutil.copy(file, crashed)
    store.close()
    log = crashed / "medreason.db-wal"
    log.write_bytes(log.read_bytes()[:-100])
    (crashed / "medreason.db-shm").unlink()
    again = Store(crashed / "medreason.db")
    assert [one.rating.comment for one in again.ratings.all()] == ["0", "1", "2", "3"]
    again.close()


def test_a_copy_is_whole_while_others_write(path):
    store = Store(path)
    pair, rater = store.pair(), store.people.rater(store.admin.id, "Ann")
    store.ratings.append(pair.id, rater.id, rating(1, comment="before"))
    with store.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO users(name, name_key, role, created_at) VALUES ('x','x','rater','')"
        )
        kept = copy_file(path, path.parent / "copy.db")
    copy = Store(kept)
    assert [one.rating.comment for one in copy.ratings.all()] == ["before"]
    assert copy.people.find("x") is None and store.people.find("x") is not None
    copy.close()
    store.close()


def test_a_copy_that_cannot_be_made_leaves_nothing(path, tmp_path):
    Database.open(path).close()
    with pytest.raises(MedReasonError, match="could not be copied"):
        copy_file(path, tmp_path / "no such folder" / "copy.db")
    path.write_bytes(b"?" * 9000)
    (tmp_path / "to").mkdir()
    with pytest.raises(MedReasonError, match="could not be copied"):
        copy_file(path, tmp_path / "to" / "copy.db")
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
def test_every_commit_reaches_the_disk(path):
    """One fdatasync for each commit, counted by the kernel."""
    code = (
        "import sys; from pathlib import Path; from medreason.storage.database import Database\n"
        "database = Database.open(Path(sys.argv[1]))\n"
        "print('begin', flush=True)\n"
        "for number in range(50):\n"
        "    with database.write() as connection:\n"
        "        connection.exec_driver_sql('INSERT INTO users(name, name_key, role, created_at) '\n"
        "                                   'VALUES (?, ?, ?, ?)', (str(number), str(number), 'rater', ''))\n"
        "print('end', flush=True)\n"
    )
    Database.open(path).close()
    traced = path.parent / "trace"
    command = ["strace", "-f", "-e", "trace=fdatasync,fsync,write", "-o", str(traced), sys.executable, "-c", code]
    ran = subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=CHECKOUT, timeout=120)
    if "ptrace" in ran.stderr:
        pytest.skip("this computer forbids tracing")
    assert ran.returncode == 0, ran.stderr
    between = traced.read_text().partition('"begin')[2].partition('"end')[0]
    assert between.count("fdatasync(") + between.count("fsync(") >= 50
