"""A process that is killed while it saves ratings loses none that it had acknowledged."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from medreason.domain.arms import Arm
from tests.store import Store

CYCLES = 10
CHECKOUT = Path(__file__).resolve().parents[2]
WRITER = """
import itertools, sys
from pathlib import Path
from tests.store import Store, rating
store, cycle = Store(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
for number in itertools.count():
    comment = f"{cycle}-{number}"
    store.older_rating(store.admin, f"person {number % 3}", 1, rating(1 + number % 5, comment=comment))
    print(comment, flush=True)
"""


def test_no_acknowledged_rating_is_lost_when_the_writer_is_killed(tmp_path):
    path = tmp_path / "medreason.db"
    store = Store(path)
    store.pair(left=Arm.FINETUNED)
    store.close()
    acknowledged: list[str] = []
    for cycle in range(CYCLES):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(cycle)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.03 + 0.021 * cycle)
            writer.send_signal(signal.SIGKILL)
            # A line cut off by the kill was never read whole by anybody.
            acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    assert len(acknowledged) > CYCLES
    store = Store(path)
    kept = [one.rating.comment for one in store.ratings.all()]
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept)) <= len(acknowledged) + CYCLES
    assert all(len(one.rating.scores) == 6 for one in store.ratings.all())
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
