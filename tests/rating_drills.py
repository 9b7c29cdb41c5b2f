"""Rating under faults and load, at any count: kills under writes, many raters at once, a whole simulated panel."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from medreason.domain.arms import SIDES, Side
from medreason.domain.items import Instrument
from medreason.domain.study import ShowingKind
from tests.conftest import CHECKOUT
from tests.studies import NAME, StudyDesk, accept, judgement, plan, rate, with_study

WRITER = """
import itertools, sys
from pathlib import Path
from tests.studies import NAME, StudyDesk, judgement
desk, cycle = StudyDesk(Path(sys.argv[1])), sys.argv[2]
ids = [one.id for one in desk.store.showings.of_study(1) if one.rater_id == 1]
print("ready", flush=True)
for number in itertools.count():
    key = f"{cycle}-{number}"
    given = judgement(left=1 + number % 5, comment=key, reason="again", idempotency_key=key)
    for _ in range(2):
        desk.sessions.submit(desk.local, "Anna", ids[number % len(ids)], given)
    print(key, flush=True)
"""


LONGEST_WAIT_S = 0.25


def kill_writers(path: Path, cycles: int) -> tuple[int, int]:
    """Kill a writing process so often, every other time once it has acknowledged something. Asserts that nothing
    acknowledged is lost, nothing stored is double or half, and that file and audit hold. Gives how many judgements
    were acknowledged, and how many stored."""
    desk = with_study(path, raters=("Anna",), count=4)
    desk.close()
    acknowledged: list[str] = []
    chance = random.Random(cycles)
    for cycle in range(cycles):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(cycle)], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            first = [writer.stdout.readline()] if cycle % 2 else []
            time.sleep(chance.random() * LONGEST_WAIT_S)
            writer.send_signal(signal.SIGKILL)
            # A line cut off by the kill was never read whole by anybody.
            acknowledged += [line.strip() for line in [*first, *writer.stdout] if line.endswith("\n")]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    desk = StudyDesk(path)
    kept = desk.store.judgements.of([one.id for one in desk.store.showings.of_study(1)])
    comments = [one.judgement.comment for one in kept]
    assert set(acknowledged) <= set(comments)
    assert len(comments) == len(set(comments)) <= len(acknowledged) + cycles
    assert all(len(one.judgement.given) == 8 and len(one.judgement.preferred) == 1 for one in kept)
    for number in {one.showing_id for one in kept}:
        revisions = [one.revision_no for one in kept if one.showing_id == number]
        assert revisions == list(range(1, len(revisions) + 1))
    deeds = Counter(one.content_sha256 for one in desk.store.audit.entries() if one.object.startswith("showing:"))
    assert deeds == Counter(one.content_sha256 for one in kept)
    assert desk.store.audit.verify().holds
    desk.close()
    return len(acknowledged), len(kept)


def rate_at_once(path: Path, people: int, cases: int) -> None:
    """Raters rate a whole study at the same time, each act sent twice. Asserts that the counts are right."""
    names = [f"Rater {number:02d}" for number in range(people)]
    desk = with_study(path, raters=names, count=cases, overlap=people)
    faults: list[BaseException] = []
    together = threading.Barrier(people)

    def go(name: str) -> None:
        try:
            together.wait(timeout=60)
            while view := desk.sessions.next(desk.local, name, NAME):
                given = judgement(comment=f"{name} {view.showing_id}", idempotency_key=f"{name} {view.showing_id}")
                receipts = {desk.sessions.submit(desk.local, name, view.showing_id, given) for _ in range(2)}
                assert {receipt.revision_no for receipt in receipts} == {1}
        except BaseException as fault:  # noqa: BLE001
            faults.append(fault)

    threads = [threading.Thread(target=go, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults
    showings = desk.store.showings.of_study(1)
    kept = desk.store.judgements.of([one.id for one in showings])
    assert len(kept) == len(showings) == people * (cases + 2)
    assert {one.showing_id for one in kept} == {one.id for one in showings}
    assert all(one.revision_no == 1 and one.rater_id for one in kept)
    progress = desk.studies.get(desk.local, NAME).raters
    assert [(one.done, one.total) for one in progress] == [(cases, cases)] * people
    assert desk.store.audit.verify().holds
    desk.close()


def simulate_panel(path: Path, people: int, cases: int, instrument: Instrument) -> dict[str, float]:
    """A panel that prefers the fine-tuned answer by one point rates a whole study through the service. Asserts
    that the export says so; gives the number of showings and the share of fine-tuned on the left."""
    names = [f"Rater {number:02d}" for number in range(people)]
    desk = StudyDesk(path)
    wanted = plan(count=cases, raters=names, overlap=3, repeat_share=0.1, instrument=instrument)
    desk.open_study(wanted)
    for name in names:
        accept(desk, name)
        while view := desk.sessions.next(desk.local, name, NAME):
            tuned = Side.LEFT if "at length" in view.left.answer else Side.RIGHT
            values = {str(side): 4 if side is tuned else 3 for side in SIDES}
            rate(desk, view, name, **values, preference=-1 if tuned is Side.LEFT else 1)
    desk.studies.close(desk.local, NAME, "planned end")
    showings = desk.store.showings.of_study(1)
    study = [one for one in showings if one.kind is ShowingKind.STUDY]
    records = desk.collections.records(desk.local, NAME)
    overall = [row for row in records.pairs if row["axis"] == "overall" and row["case_kind"] == "study"]
    assert len(overall) == len(study) == len({(row["rater_id"], row["case_id"]) for row in overall})
    assert {row["pref_ft"] for row in overall} == {1}
    for by in ("rater_id", "case_id"):
        sides = Counter({row[by]: 0 for row in overall})
        for row in overall:
            sides[row[by]] += 1 if row["left_arm"] == "finetuned" else -1
        assert all(-1 <= value <= 1 for value in sides.values()), by
    given = {(row["arm"], row["value"]) for row in records.ratings if row["item"] == "D"}
    assert given == {("finetuned", 4), ("baseline", 3)}
    depth = [row for row in records.ratings if row["item"] == "D"]
    assert len(depth) == 2 * (len(study) + sum(one.kind is ShowingKind.REPEAT for one in showings))
    assert desk.store.audit.verify().holds
    left = sum(row["left_arm"] == "finetuned" for row in overall) / len(overall)
    desk.close()
    return {"showings": len(showings), "study": len(study), "left": left}
