"""Sends nonsense to every door and every event of the admin's page, and looks at what comes back (fault 7)."""

import contextlib
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient

from tests.shell import ORIGIN, Shell, config_of, gradio_paths, outcome

ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "x", "None", "NaN", "[]", "{}", "x" * 20_000),
    *("\x00", "\ud800", "\u202e", "é" * 300, "../../etc/passwd", "/etc/passwd", "'; DROP TABLE users; --"),
    *("<script>window.__x = 1</script>", '{"act": "save", "n": 1e999}', '{"act": ["x"], "pair": {}}'),
    *([], [None], [[]], [1, "x", None], {}, {"a": 1}, {"value": None}, {"path": None}, {"path": "/etc/passwd"}),
    *(
        {"path": 3},
        {"__type__": "update", "value": "x"},
        {"data": [[1]], "headers": None},
        {"name": {"path": "x"}},
    ),
]
RAW = [
    *(b"", b"{", b"[]", b"null", b"0", b'"x"', b"\xff\xfe\x00", b'{"data": NaN}', b'{"data": [Infinity]}'),
    *(b"[" * 10_000 + b"]" * 10_000, b'{"data": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
    *(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b"x" * (5 * 2**20), b'{"data": [], "fn_index": true}'),
    *(b'{"data": {}, "fn_index": 1, "session_hash": "x"}', b'{"data": [], "fn_index": 1e400}'),
    *(b'{"data": [], "fn_index": 0, "session_hash": {}}', b'{"data": [], "fn_index": -1, "session_hash": "x"}'),
    *(b'{"data": [], "fn_index": 99999999999999999999, "session_hash": "x"}', b'{"session_hash": "' + b"x" * 9999),
]
GAPS = ["1", "x", "..", "%2e%2e%2f", "%00", "a" * 3000, "%ff", "-1", "NaN"]
TOLD = re.compile(
    r"Traceback \(|File \\?\"|site-packages|\.py(\\?\", line|:\d)|sqlalchemy|hf_Canary|/(home|tmp|usr)/"
)
JSON = {**ORIGIN, "content-type": "application/json"}
SIX = 6


def refuses_to_start(services: Any, folder: Path) -> None:
    """Whatever slips through starts nothing: the script of a run ends at once."""
    script = folder / "nothing.py"
    script.write_text("", encoding="utf-8")
    services.training.script = script


class Fuzz:
    """`bad` is what must not have been: where, and what was said."""

    def __init__(self, site: Shell, seed: int):
        self._site, self._random = site, random.Random(seed)
        self._browser = site.logged_in("ann")
        self._page = config_of(self._browser)
        self._paths = sorted(gradio_paths() - {"/login", "/login/", "/logout"})
        self._inputs = [(one["id"], len(one["inputs"]), one["api_name"]) for one in self._page["dependencies"]]
        self.cases, self.bad = 0, []  # type: ignore[var-annotated]

    def run(self, cases: int) -> None:
        """Half of them to the doors, half to the events."""
        doors, events = self._doors(), self._events()
        with contextlib.redirect_stderr(io.StringIO()):  # what Gradio writes to the log is no matter here
            while self.cases < cases:
                next(doors)
                next(events)
        assert self._browser.get("/config").status_code == 200  # it lives

    def _look(self, where: str, answer: httpx.Response) -> None:
        self.cases += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            self.bad.append((where, answer.status_code, answer.text[:200]))
        self._read(where, answer.text if "json" in answer.headers.get("content-type", "text") else answer.text[:0])

    def _read(self, where: str, said: str) -> None:
        if found := TOLD.search(said):
            self.bad.append((where, found.group(), said[max(0, found.start() - 100) : found.end() + 100]))

    def _doors(self) -> Iterator[None]:
        while True:
            path = self._random.choice(self._paths)
            path = re.sub(r"(?<=[/=])1(?=/|$)", lambda _: self._random.choice(GAPS), path)
            method = self._random.choice(("GET", "POST", "POST", "PUT", "DELETE", "PATCH"))
            if method == "GET" and ("heartbeat" in path or "queue/data" in path or "upload_progress" in path):
                method = "POST"  # these stay open as long as the page does
            kind = self._random.choice(("application/json", "text/plain", "multipart/form-data; boundary=x", ""))
            headers = {**ORIGIN, "content-type": kind}
            self._send(self._browser, method, path, self._random.choice(RAW), headers)
            yield

    def _send(self, browser: TestClient, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        answer = browser.request(method, path, content=body if method != "GET" else None, headers=headers)
        self._look(f"{method} {path[:80]} {body[:40]!r}", answer)

    def _events(self) -> Iterator[None]:
        """Six calls at a time in a session of their own, then what they have said."""
        number = 0
        while True:
            number += 1
            session, joined = f"fuzz{number}", 0
            for fn, arity, name in self._random.choices(self._inputs, k=SIX):
                if self._random.random() < 0.15:
                    arity = max(0, arity + self._random.choice((-1, 1, 40)))
                data = [self._random.choice(ODD) for _ in range(arity)]
                body = {
                    "data": data,
                    "fn_index": fn,
                    "session_hash": session,
                    "event_data": self._random.choice(ODD),
                }
                door = "run/" + str(name) if self._random.random() < 0.1 else "queue/join"
                sent = json.dumps(body).encode("ascii")
                answer = self._browser.post(f"/gradio_api/{door}", content=sent, headers=JSON)
                self._look(f"{door} {name} {data!r}"[:300], answer)
                joined += answer.status_code == 200 and door == "queue/join"
                yield
            if joined:
                self._read(f"{session} {self._inputs}"[:60], json.dumps(outcome(self._browser, session)))
