"""Raters who save at a steady pace, over HTTP as their pages do, beside streams; and what the app needs for it."""

import contextlib
import json
import os
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from medreason.bench.streams import Page, app, connect, get_json, listen, percentile
from tests.rate_desk import whole
from tests.showings import Tags
from tests.studies import NAME, StudyDesk, rate, with_study

WORDS = 150


@dataclass
class Taken:
    """What the app's process holds at one moment."""

    memory: int
    files: int
    scratch: int


@dataclass
class Load:
    """What was met: seconds of each save, streams that were read to their end, words lost, and the app's needs at
    the first and the last quarter of the time."""

    saves: list[float] = field(default_factory=list)
    streams: int = 0
    lost: int = 0
    taken: list[Taken] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.saves)
        early, late = self.taken[: max(1, len(self.taken) // 4)], self.taken[-max(1, len(self.taken) // 4) :]
        return {
            "saves": len(ordered),
            "save_p50_s": round(percentile(ordered, 50), 3),
            "save_p95_s": round(percentile(ordered, 95), 3),
            "save_p99_s": round(percentile(ordered, 99), 3),
            "streams": self.streams,
            "words_lost": self.lost,
            "memory_mb": round(max(one.memory for one in late) / 2**20),
            "memory_growth": round(max(one.memory for one in late) / max(one.memory for one in early) - 1, 3),
            "files_growth": max(one.files for one in late) - max(one.files for one in early),
            "scratch_mb": round(max(one.scratch for one in self.taken) / 2**20, 1),
        }


class RaterOverHttp:
    """One rater's page: sends what is pressed, and reads the screen that comes back."""

    def __init__(self, port: int, config: dict[str, Any], name: str):
        ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        self._values = {one["id"]: one["props"].get("value") for one in config["components"]}
        self._send = ids["rate-send"]
        self._event = next(one for one in config["dependencies"] if [ids["rate-send"], "change"] in one["targets"])
        self._port, self.name, self._sent, self.said = port, name, 0, ""
        self._session = f"rater{name.replace(' ', '')}"
        self.act("go", study=NAME)

    def act(self, act: str, **asked: Any) -> None:
        self._sent += 1
        sent = json.dumps({"act": act, "n": self._sent, "rater": self.name, **asked})
        values = self._values | {self._send: sent}
        data = [values[one] for one in self._event["inputs"]]
        joined = {"data": data, "fn_index": self._event["id"], "session_hash": self._session}
        body = json.dumps({**joined, "event_data": None, "trigger_id": None}).encode()
        with contextlib.closing(connect(self._port)) as joining:
            joining.request("POST", "/gradio_api/queue/join", body, {"content-type": "application/json"})
            answer = joining.getresponse()
            assert answer.status == 200, answer.status
            answer.read()
        with contextlib.closing(connect(self._port)) as reading:
            reading.request("GET", f"/gradio_api/queue/data?session_hash={self._session}")
            for line in reading.getresponse():
                if b'"process_completed"' in line:
                    told = json.loads(line.decode().removeprefix("data: "))
                    assert told["success"], told
                    screen, self.said, _ = told["output"]["data"]
                    assert isinstance(screen, str), f"{act} was refused: {self.said}"
                    self._tags = Tags(screen)
                    return

    def save(self) -> None:
        """Fill the open sheet and save it; raises unless the app says so."""
        form, showing = self._tags.data("data-sheet")[0], int(self._tags.data("data-place")[0]["showing"])
        self.act("save", study=NAME, showing=showing, form={**form, **whole(form)})
        assert "Saved." in self.said, self.said


def under_load(folder: Path, raters: int, streams: int, seconds: float, every_s: float) -> Load:
    """Raters save every `every_s` seconds each while others stream. Asserts that each save is there once."""
    names = [f"Rater {number:02d}" for number in range(raters)]
    each = max(1, int(seconds / every_s))
    (folder / "data").mkdir(parents=True)
    path = folder / "data" / "medreason.db"
    desk = with_study(path, raters=names, count=each + 1, overlap=raters)
    for name in names:
        while (view := desk.sessions.next(desk.local, name, NAME)) is not None and view.practice:
            rate(desk, view, name)
    with desk.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM users WHERE name_key = 'admin'")
    practised = len(desk.store.judgements.of([one.id for one in desk.store.showings.of_study(1)]))
    desk.close()
    load, ended = Load(), threading.Event()
    scratch = folder / "scratch"
    with patch.dict(os.environ, GRADIO_TEMP_DIR=str(scratch)), app(folder, streams, WORDS) as port:
        config = get_json(port, "/config")
        page = Page(config)
        listen(port, page, 0, WORDS)
        pages = [RaterOverHttp(port, config, name) for name in names]
        (child,) = [one for one in psutil.Process().children() if str(port) in one.cmdline()]
        began = time.monotonic()

        def saving(one: RaterOverHttp, chance: random.Random) -> None:
            first = began + chance.random() * every_s
            for turn in range(each):
                ended.wait(max(0.0, first + turn * every_s - time.monotonic()))
                started = time.monotonic()
                one.save()
                load.saves.append(time.monotonic() - started)

        def streaming(number: int) -> None:
            while not ended.is_set():
                heard = listen(port, page, number, WORDS)
                load.streams += 1
                load.lost += heard.lost + heard.crossed

        def guarded(work: Any, *given: Any) -> None:
            try:
                work(*given)
            except BaseException as fault:  # noqa: BLE001
                load.faults.append(fault)

        savers = [
            threading.Thread(target=guarded, args=(saving, one, random.Random(one.name)), daemon=True)
            for one in pages
        ]
        readers = [
            threading.Thread(target=guarded, args=(streaming, number), daemon=True)
            for number in range(1, streams + 1)
        ]
        for thread in (*savers, *readers):
            thread.start()
        while any(thread.is_alive() for thread in savers):
            load.taken.append(_taken(child, scratch))
            ended.wait(min(5.0, seconds / 20))
        ended.set()
        for thread in (*savers, *readers):
            thread.join(60)
    assert not load.faults, load.faults[:3]
    desk = StudyDesk(path)
    showings = [one.id for one in desk.store.showings.of_study(1)]
    kept = desk.store.judgements.of(showings)
    assert len(kept) == len({one.showing_id for one in kept}) == practised + raters * each
    assert desk.store.audit.verify().holds
    desk.close()
    return load


def _taken(child: psutil.Process, scratch: Path) -> Taken:
    size = sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file())
    return Taken(child.memory_info().rss, child.num_fds(), size)
