"""Sends nonsense to every door and every event of the admin's page, and looks at what comes back (fault 7)."""

import contextlib
import io
import json
import logging
import random
import re
from collections.abc import Callable, Iterator, Sequence
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
# A file that is handed out to its owner carries the place in the scratch folder by which the page asks for it.
HANDED_OUT = re.compile(r'"(path|url)": "[^"]*/gradio/[0-9a-f]{64}/[^"/]*"')
JSON = {**ORIGIN, "content-type": "application/json"}
SIX = 6


def refuses_to_start(services: Any, folder: Path) -> None:
    """Whatever slips through starts nothing: the script of a run ends at once."""
    script = folder / "nothing.py"
    script.write_text("", encoding="utf-8")
    services.training.script = services.quantizing.script = script


class Faults(logging.Handler):
    """Keeps what is logged as an error, with the end of its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        traceback_ = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.kept.append(f"{record.getMessage()}\n{traceback_[-1500:]}")


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """Every defect that is logged by anybody, or printed as a traceback as Gradio does, until the end."""
    faults, printed = Faults(), io.StringIO()
    logging.getLogger().addHandler(faults)
    try:
        with contextlib.redirect_stderr(printed):
            yield faults.kept
    finally:
        logging.getLogger().removeHandler(faults)
        faults.kept += [one[-1500:] for one in printed.getvalue().split("Traceback (most recent call last):")[1:]]


class Fuzz:
    """`bad` is what must not have been: where, and what was said. `hears` is told all that is said."""

    hears: Callable[[str], object] = staticmethod(len)

    def __init__(self, site: Shell, seed: int):
        self._site, self._random = site, random.Random(seed)
        self._browser = site.logged_in("ann")
        self._page = config_of(self._browser)
        self._paths = sorted(gradio_paths() - {"/login", "/login/", "/logout"})
        values = {one["id"]: one["props"].get("value") for one in self._page["components"]}
        self._inputs = [
            (one["id"], [values[number] for number in one["inputs"]], one["api_name"])
            for one in self._page["dependencies"]
        ]
        self.cases, self.bad = 0, []  # type: ignore[var-annotated]

    def run(self, cases: int) -> None:
        """Half of them to the doors, half to the events. Whatever was put into the log or printed as a fault is
        bad too: the page is told of a defect in words, so that only there it shows what it is."""
        doors, events = self._doors(), self._events()
        with overheard() as defects:
            while self.cases < cases:
                for _ in range(SIX):
                    next(doors)
                next(events)
            assert self._browser.get("/config").status_code == 200  # it lives
        self.bad += [("log", 0, defect) for defect in defects]

    def _look(self, where: str, answer: httpx.Response) -> None:
        self.cases += 1
        if answer.status_code >= 500 and answer.status_code != 503:
            self.bad.append((where, answer.status_code, answer.text[:200]))
        self._read(where, answer.text if "json" in answer.headers.get("content-type", "text") else answer.text[:0])

    def _read(self, where: str, said: str) -> None:
        self.hears(said)
        said = HANDED_OUT.sub("", said)
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

    def only(self, name: str) -> None:
        """Leave all other events alone."""
        self._inputs = [one for one in self._inputs if one[2] == name]

    def gaps(self, odd: Sequence[Any] = (None,), share: float = 1) -> None:
        """Every event, or a share of them, on a page as it was opened, with one field after the other left odd."""
        asked = [
            (fn, [*values[:place], value, *values[place + 1 :]], name)
            for fn, values, name in self._inputs
            for place in range(len(values))
            for value in odd
        ]
        with overheard() as defects:
            self._calls(self._random.sample(asked, int(len(asked) * share)))
        self.bad += [("log", 0, defect) for defect in defects]

    def _events(self) -> Iterator[None]:
        while True:
            chosen = self._random.choices(self._inputs, k=SIX)
            self._calls([(fn, self._data(values), name) for fn, values, name in chosen])
            yield

    def _calls(self, calls: list[tuple[int, list[Any], str]]) -> None:
        """Six at a time in a session of their own, then what they have said."""
        for batch in (calls[at : at + SIX] for at in range(0, len(calls), SIX)):
            session, joined = f"fuzz{self.cases}", 0
            for fn, data, name in batch:
                odd = {"event_data": self._random.choice(ODD)}
                body = {"data": data, "fn_index": fn, "session_hash": session, **odd}
                door = f"run/{name}" if self._random.random() < 0.1 else "queue/join"
                sent = json.dumps(body).encode("ascii")
                answer = self._browser.post(f"/gradio_api/{door}", content=sent, headers=JSON)
                self._look(f"{door} {name} {data!r}"[:300], answer)
                joined += answer.status_code == 200 and door == "queue/join"
            if joined:
                names = [name for _, _, name in batch]
                self._read(f"{session} {names}", json.dumps(outcome(self._browser, session)))

    def _data(self, values: list[Any]) -> list[Any]:
        """Nonsense in every field, or in one field of a page that is otherwise as it was opened; sometimes too
        many or too few."""
        if values and self._random.random() < 0.5:
            data = list(values)
            data[self._random.randrange(len(data))] = self._random.choice(ODD)
            return data
        arity = len(values)
        if self._random.random() < 0.15:
            arity = max(0, arity + self._random.choice((-1, 1, 40)))
        return [self._random.choice(ODD) for _ in range(arity)]
