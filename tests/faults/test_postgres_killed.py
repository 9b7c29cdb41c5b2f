"""PostgreSQL under hard faults: a process that is killed while it brings the database to the newest schema
leaves the old one or the new one, and guesses at one moment through two processes are all counted."""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter

import psycopg
import pytest

from medreason.errors import MedReasonError
from medreason.services.logging_in import LIMITS, TooManyTries, WrongLogin
from medreason.storage.database import Database
from medreason.storage.schema import NEWEST
from medreason.storage.tables import SCHEMAS
from tests.conftest import CHECKOUT
from tests.logins import Desk
from tests.old_store import make_old
from tests.postgres import USER, Server
from tests.store import Store

# Opens each store in a child that kills itself at its chosen statement or commit (0: never); gives, for each,
# how many there were, or the signal.
MIGRATOR = """
import json, os, signal, sys
import alembic.command
from sqlalchemy import event
from sqlalchemy.engine import Engine
from medreason.storage.database import Database

def migrate(url, killed_at):
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        done = 0
        def count(*_):
            nonlocal done
            done += 1
            if done == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)
        for moment in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, moment, count)
        Database.open(url).close()
        os.write(tell, str(done).encode())
        os._exit(0)
    os.close(tell)
    status = os.waitpid(child, 0)[1]
    said = os.read(told, 10)
    return int(said) if said else -status

print(json.dumps([migrate(url, at) for url, at in json.loads(sys.argv[1])]))
"""


def migrate(work: list[tuple[str, int]]) -> list[int]:
    ran = subprocess.run(
        [sys.executable, "-c", MIGRATOR, json.dumps(work)],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def _look(server: Server, name: str) -> str:
    """The schema as anybody finds it before the next start, beside a rating that is as it was."""
    with psycopg.connect(host=str(server.socket), user=USER, dbname=name) as connection:
        assert connection.execute("SELECT comment FROM ratings").fetchall() == [("good",)]
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()  # type: ignore[misc]
        return version


@pytest.mark.parametrize(("schema", "kills"), [("0001", 12), (SCHEMAS[-2], 8)])
def test_a_kill_at_any_statement_leaves_the_old_schema_or_the_new_one(
    postgres: Server, schema: str, kills: int
) -> None:
    old = postgres.make()
    make_old(postgres.url(old), schema)
    done = postgres.make(old)
    (whole,) = migrate([(postgres.url(done), 0)])
    moments = sorted({*range(1, whole + 1, max(1, whole // kills)), whole})
    names = [postgres.make(old) for _ in moments]
    ends = migrate([(postgres.url(name), at) for name, at in zip(names, moments, strict=True)])
    assert whole > 20 and len(moments) >= kills and set(ends) == {-signal.SIGKILL}
    assert {_look(postgres, name) for name in (*names, done)} == {schema, NEWEST}
    assert _look(postgres, done) == NEWEST and _look(postgres, names[0]) == schema
    for name in names:
        store = Store(postgres.url(name))  # the next start brings it to the end
        assert [one.rating.comment for one in store.ratings.all()] == ["good"]
        assert store.pairs.get(7).question == "Other?"
        store.close()
        assert _look(postgres, name) == NEWEST
        postgres.drop(name)


def test_guesses_at_one_moment_through_two_processes_are_all_counted(postgres_url: str) -> None:
    """Two stores on one database know nothing of each other, as two processes would not."""
    desks = [Desk(Database.open(postgres_url)) for _ in range(2)]
    desks[0].adds("Ann")
    together, met = threading.Barrier(40), Counter[str]()

    def guess(number: int) -> None:
        together.wait(30)
        try:
            desks[number % 2].logging_in.log_in("Ann", "wrong", "10.0.0.9")
        except MedReasonError as fault:
            met[type(fault).__name__] += 1

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == {WrongLogin.__name__: LIMITS.of_both, TooManyTries.__name__: 40 - LIMITS.of_both}
    assert desks[1].logs_in("Ann", "10.0.0.8"), "somewhere else she is let in"
    for desk in desks:
        desk.logins.database.close()
