"""`app.py doctor` says each thing in one line and with its exit code, also where much is broken."""

import importlib.metadata
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from medreason.cli import main
from medreason.engine.protocol import EngineState, Phase
from medreason.engine.scripted import ScriptedEngine
from medreason.models.torch_facts import TorchFacts
from medreason.services import doctor
from medreason.services.backing_up import back_up
from medreason.services.doctor import Finding, examine
from medreason.storage.backups import Backups
from medreason.storage.tables import SCHEMAS
from tests.old_store import make_old
from tests.studies import with_study


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch):
    """Torch takes long to load, and a GPU is not everywhere; one test asks the real ones."""
    monkeypatch.setattr(doctor, "torch_facts", lambda: TorchFacts("2.13.0", "", ()))
    monkeypatch.setattr(doctor, "ask_gpus", lambda: ())


@pytest.fixture
def healthy(folder):
    with_study(folder.database).close()
    backups = Backups.beside(folder.database)
    back_up(folder.database, backups.place("by-hand"))
    folder.root.chmod(0o700)
    return folder


def lines(folder, store=None, make_engine=None, **more):
    return {one.what: one for one in examine(folder, store or folder.database, make_engine, **more)}


def test_a_healthy_installation_has_nothing_wrong(healthy, capsys):
    found = lines(healthy)
    for what in ("Python", "torch and GPU", "Data folder", "Database", "Audit", "Backup"):
        assert found[what].finding is Finding.OK, found[what]
    assert "the chain holds" in found["Audit"].words
    before = {file.name: file.read_bytes() for file in healthy.root.iterdir() if file.is_file()}
    assert main(["doctor", "--without-model", "--data-dir", str(healthy.root)]) == 0
    said = capsys.readouterr().out
    assert said.endswith("Nothing is wrong.\n") and "Traceback" not in said
    assert all(line.split()[0] in ("ok", "attention") for line in said.splitlines()[:-1])
    assert {file.name: file.read_bytes() for file in healthy.root.iterdir() if file.is_file()} == before


def test_a_damaged_database_is_told_with_its_backup_and_hides_nothing_else(healthy, capsys):
    healthy.database.write_bytes(b"?" * 9000)
    assert main(["doctor", "--without-model", "--json", "--data-dir", str(healthy.root)]) == 1
    told = json.loads(capsys.readouterr().out)
    found = {one["what"]: one for one in told["lines"]}
    assert not told["ok"] and len(found) == 8
    assert found["Database"]["finding"] == "wrong"
    assert "damaged" in found["Database"]["words"] and "by-hand.db" in found["Database"]["words"]
    assert found["Backup"]["finding"] == "ok"
    assert healthy.database.read_bytes() == b"?" * 9000


def test_an_altered_audit_is_wrong(healthy):
    with closing(sqlite3.connect(healthy.database)) as connection:
        connection.execute("DROP TRIGGER audit_update")
        connection.execute("UPDATE audit SET actor = actor || 'x' WHERE id = 3")
        connection.commit()
    found = lines(healthy)
    assert found["Audit"].finding is Finding.WRONG and "entry 3" in found["Audit"].words
    assert found["Database"].finding is Finding.OK


def test_a_new_folder_wants_attention_and_is_not_made(folder):
    folder.root.joinpath("x").mkdir()
    nowhere = type(folder)(folder.root / "nowhere")
    found = lines(nowhere)
    assert {found[what].finding for what in ("Data folder", "Database", "Backup")} == {Finding.ATTENTION}
    assert not nowhere.root.exists()


def test_an_older_schema_an_old_backup_and_open_rights_want_attention(folder):
    make_old(folder.database, SCHEMAS[-2])
    Backups.beside(folder.database).place("by-hand").write_bytes(b"")
    folder.root.chmod(0o755)
    found = lines(folder, now=datetime.now(UTC) + timedelta(days=3))
    assert found["Database"].finding is Finding.ATTENTION and SCHEMAS[-2] in found["Database"].words
    assert "old" in found["Backup"].words and "chmod" in found["Data folder"].words


def test_packages_are_compared_with_their_pins(tmp_path):
    pins = tmp_path / "requirements.txt"
    here = importlib.metadata.version("pytest")
    for text, finding, said in (
        (f"# a comment\npytest=={here}\n", Finding.OK, "all 1"),
        ("pytest==0.1\n", Finding.ATTENTION, f"pytest {here} (tested with 0.1)"),
        (f"no-such-package-here==1.0\npytest=={here}\n", Finding.WRONG, "missing: no-such-package-here"),
    ):
        pins.write_text(text)
        line = doctor._packages(pins)
        assert line.finding is finding and said in line.words


def test_a_full_disk_is_wrong_and_a_small_one_wants_attention(healthy, monkeypatch):
    for free, finding in ((2**20, Finding.WRONG), (5 * 2**30, Finding.ATTENTION), (2**40, Finding.OK)):
        monkeypatch.setattr(doctor, "disk_free", lambda folder, free=free: free)
        assert lines(healthy)["Disk"].finding is finding


def test_a_gpu_that_torch_cannot_use_is_wrong(healthy, monkeypatch):
    gpu = type("Gpu", (), {"name": "NVIDIA H100", "memory": 80 * 2**30})()
    monkeypatch.setattr(doctor, "ask_gpus", lambda: (gpu,))
    assert lines(healthy)["torch and GPU"].finding is Finding.WRONG
    monkeypatch.setattr(doctor, "torch_facts", lambda: TorchFacts("2.13.0", "13.0", ("NVIDIA H100",)))
    found = lines(healthy)["torch and GPU"]
    assert found.finding is Finding.OK and "80 GiB" in found.words

    def broken():
        raise OSError("libcudart.so is missing")

    monkeypatch.setattr(doctor, "torch_facts", broken)
    found = lines(healthy)["torch and GPU"]
    assert found.finding is Finding.WRONG and "libcudart" in found.words


def test_the_engine_is_loaded_tested_and_put_away(healthy):
    engine = ScriptedEngine()
    found = lines(healthy, make_engine=lambda: engine)["Engine"]
    assert found.finding is Finding.OK and "passed" in found.words
    assert engine.state.phase is Phase.UNLOADED


def test_an_engine_that_fails_is_one_line(healthy):
    class Fails(ScriptedEngine):
        def load(self):
            raise RuntimeError("out of memory\nTraceback")

    class NotReady(ScriptedEngine):
        @property
        def state(self):
            return EngineState(Phase.FAILED, "The self-test failed.")

    for engine, said in ((Fails(), "out of memory"), (NotReady(), "The self-test failed")):
        found = lines(healthy, make_engine=lambda engine=engine: engine)["Engine"]
        assert (found.finding, found.words) == (Finding.WRONG, said)


def test_a_postgres_database_is_looked_at_too(folder, postgres, postgres_url):
    with_study(postgres_url).close()
    found = lines(folder, store=postgres_url)
    assert found["Database"].finding is Finding.OK and "the chain holds" in found["Audit"].words
    found = lines(folder, store=postgres.url("nowhere"))
    assert found["Database"].finding is Finding.WRONG and "nowhere" in found["Database"].words
    found = lines(folder, store="postgresql+psycopg://me:secret@127.0.0.1:1/x")
    assert found["Database"].finding is Finding.WRONG and "secret" not in found["Database"].words
