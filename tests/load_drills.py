"""Raters who save at a steady pace, over HTTP as their pages do, beside streams; what they waited for, and what
the app needs for it.

The raters and readers share this computer with the app. So it is also told how much of it each of them used, how
late each was by itself, and how long the disk took, for whoever asks which of them waited.
"""

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import psutil

from medreason.bench import lateness
from medreason.bench.lateness import Lateness
from medreason.bench.streams import LATENESS, app, get_json, percentile
from tests.load_pages import RaterPage, ReaderPage, Turn, heartbeats
from tests.studies import NAME, StudyDesk, rate, with_study

WORDS = 150
SETTLED_S = 2.0
"""Until a page that has just been opened is at rest."""


@dataclass
class Taken:
    """What the app's process holds at one moment."""

    memory: int
    files: int
    scratch: int


@dataclass
class Used:
    """What was used of this computer: processor seconds of the app and of the raters and readers, of all and of
    what others of the same host took, the latest tick of each second of both, and seconds that the disk took."""

    seconds: float = 0.0
    app: float = 0.0
    here: float = 0.0
    busy: float = 0.0
    stolen: float = 0.0
    app_late: list[float] = field(default_factory=list)
    here_late: list[float] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Of the processor in cores."""
        cores = {"app": self.app, "raters_and_readers": self.here, "all": self.busy, "stolen": self.stolen}
        late = {"app_late": self.app_late, "raters_late": self.here_late, "disk_sync": self.disk}
        found = {f"cores_{name}": round(used / self.seconds, 3) for name, used in cores.items()}
        for name, seconds in late.items():
            found |= {f"{name}_p50_ms": _ms(seconds, 50), f"{name}_p95_ms": _ms(seconds, 95)}
        return found


@dataclass
class Load:
    """What was met: each save and each draft, streams that were read to their end, words lost, what the app held
    at the first and the last quarter of the time, and what was used."""

    saves: list[Turn] = field(default_factory=list)
    drafts: list[Turn] = field(default_factory=list)
    streams: int = 0
    lost: int = 0
    taken: list[Taken] = field(default_factory=list)
    used: Used = field(default_factory=Used)
    faults: list[BaseException] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        early, late = self.taken[: max(1, len(self.taken) // 4)], self.taken[-max(1, len(self.taken) // 4) :]
        return {
            **_waits("save", self.saves),
            **_waits("draft", self.drafts),
            "streams": self.streams,
            "words_lost": self.lost,
            "memory_mb": round(max(one.memory for one in late) / 2**20),
            "memory_growth": round(max(one.memory for one in late) / max(one.memory for one in early) - 1, 3),
            "files_growth": max(one.files for one in late) - max(one.files for one in early),
            "scratch_mb": round(max(one.scratch for one in self.taken) / 2**20, 1),
        }

    def slowest(self) -> dict[str, float]:
        """Where the slowest twentieth of the saves waited, in seconds on average."""
        few = sorted(self.saves, key=lambda one: one.whole)[-max(1, len(self.saves) // 20) :]
        parts = {
            "joining": [one.joined for one in few],
            "in_the_queue": [one.waited for one in few],
            "in_its_function": [one.ran for one in few],
            "around_its_function": [one.answered - one.ran for one in few],
        }
        return {name: round(sum(seconds) / len(few), 3) for name, seconds in parts.items()}


def _waits(name: str, turns: Sequence[Turn]) -> dict[str, float]:
    ordered = sorted(one.whole for one in turns)
    shares = {f"{name}_p{share}_s": round(percentile(ordered, share), 3) for share in (50, 95, 99)}
    return {f"{name}s": len(ordered), **shares}


def _ms(seconds: Sequence[float], share: int) -> float:
    return round(1000 * percentile(sorted(seconds), share), 1) if seconds else 0.0


def under_load(folder: Path, raters: int, streams: int, seconds: float, every_s: float) -> Load:
    """Raters save every `every_s` seconds each, with a draft between, while others stream. Asserts that each save
    is there once."""
    names = [f"Rater {number:02d}" for number in range(raters)]
    each = max(1, int(seconds / every_s))
    (folder / "data").mkdir(parents=True)
    path = folder / "data" / "medreason.db"
    practised = _study(path, names, each + 1)
    load, ended = Load(), threading.Event()
    scratch = folder / "scratch"
    with patch.dict(os.environ, GRADIO_TEMP_DIR=str(scratch)), app(folder, streams, WORDS) as port:
        config = get_json(port, "/config")
        ReaderPage(port, config, 0).ask(WORDS)  # what is made once, on the first question, is nobody's wait
        pages = [RaterPage(port, config, name) for name in names]
        readers = [ReaderPage(port, config, number) for number in range(1, streams + 1)]
        (child,) = [one for one in psutil.Process().children() if str(port) in one.cmdline()]
        time.sleep(SETTLED_S)
        chance = random.Random(0)

        def saving(one: RaterPage, first: float) -> None:
            for turn in range(each):
                at = first + turn * every_s
                ended.wait(max(0.0, at - every_s / 2 - time.monotonic()))
                load.drafts.append(one.draft())
                ended.wait(max(0.0, at - time.monotonic()))
                load.saves.append(one.save())

        def streaming(one: ReaderPage, first: float) -> None:
            ended.wait(max(0.0, first - time.monotonic()))
            while not ended.is_set():
                heard = one.ask(WORDS)
                load.streams += 1
                load.lost += heard.lost + heard.crossed

        def guarded(work: Callable[..., None], *given: object) -> None:
            try:
                work(*given)
            except BaseException as fault:  # noqa: BLE001
                load.faults.append(fault)

        with heartbeats(port, [*pages, *readers]), _watched(load.used, child, folder):
            began = time.monotonic()
            work: list[tuple[object, ...]] = [
                (saving, one, began + chance.uniform(0.5, 1.5) * every_s) for one in pages
            ]
            work += [(streaming, one, began + 4 * chance.random()) for one in readers]
            threads = [threading.Thread(target=guarded, args=one, daemon=True) for one in work]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads[: len(pages)]):
                load.taken.append(_taken(child, scratch))
                ended.wait(min(5.0, seconds / 20))
            ended.set()
            for thread in threads:
                thread.join(60)
        load.used.app_late = lateness.read(folder / LATENESS)[-int(load.used.seconds) :]
    assert not load.faults, load.faults[:3]
    desk = StudyDesk(path)
    showings = [one.id for one in desk.store.showings.of_study(1)]
    kept = desk.store.judgements.of(showings)
    assert len(kept) == len({one.showing_id for one in kept}) == practised + raters * each
    assert desk.store.audit.verify().holds
    desk.close()
    return load


def _study(path: Path, names: Sequence[str], count: int) -> int:
    """A study in which these raters have their practice behind them; gives how much was judged in it so far."""
    desk = with_study(path, raters=names, count=count, overlap=len(names))
    for name in names:
        while (view := desk.sessions.next(desk.local, name, NAME)) is not None and view.practice:
            rate(desk, view, name)
    with desk.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM users WHERE name_key = 'admin'")
    practised = len(desk.store.judgements.of([one.id for one in desk.store.showings.of_study(1)]))
    desk.close()
    return practised


def _taken(child: psutil.Process, scratch: Path) -> Taken:
    size = sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file())
    return Taken(child.memory_info().rss, child.num_fds(), size)


@contextlib.contextmanager
def _watched(used: Used, child: psutil.Process, folder: Path) -> Iterator[None]:
    """Take what is used meanwhile."""
    ended, here = threading.Event(), Lateness()
    watching = [
        threading.Thread(target=here.in_thread, args=(ended,), daemon=True),
        threading.Thread(target=_sync, args=(used.disk, folder / "probe", ended), daemon=True),
    ]
    for thread in watching:
        thread.start()
    before, began = _processor(child), time.monotonic()
    try:
        yield
    finally:
        used.seconds = time.monotonic() - began
        spent = [late - early for late, early in zip(_processor(child), before, strict=True)]
        used.app, used.here, used.busy, used.stolen = spent
        ended.set()
        for thread in watching:
            thread.join(5)
        used.here_late = here.seconds


def _processor(child: psutil.Process) -> tuple[float, float, float, float]:
    """Processor seconds so far: of the app, of this process, of all, and what others of the same host took."""
    theirs, ours, all_of_them = child.cpu_times(), psutil.Process().cpu_times(), psutil.cpu_times()
    stolen = getattr(all_of_them, "steal", 0.0)
    return (
        theirs.user + theirs.system,
        ours.user + ours.system,
        all_of_them.user + all_of_them.system + getattr(all_of_them, "nice", 0.0),
        stolen,
    )


def _sync(took: list[float], probe: Path, ended: threading.Event) -> None:
    """Every half second, how long it takes to have a page of data on the disk, as each commit does."""
    with probe.open("wb") as file:
        while not ended.wait(0.5):
            file.write(bytes(4096))
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - began)
