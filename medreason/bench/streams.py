"""Readers of many answers at once, each over HTTP as a browser would: how long each waits for the first words, and
whether it got all of its own and none of another's.
"""

import contextlib
import http.client
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medreason.bench.scripted_app import LETTERS, WORDS_A_SECOND, word
from medreason.errors import MedReasonError

READY_WITHIN_S = 120.0
GIVE_UP_AFTER_S = 600.0
LATENESS = "lateness.txt"
SAID = re.compile(r"\bs(\d+)[bf]\d+\.")


@dataclass
class Heard:
    """What one reader met: seconds from Enter to the first word and to the end, words that never came, words that
    were another's."""

    first_s: float
    whole_s: float
    lost: int
    crossed: int


def measure(streams: int, words: int) -> list[dict[str, object]]:
    """A row a figure, of one app process and readers with the page open who all press Enter at one moment."""
    with (
        tempfile.TemporaryDirectory(prefix="medreason-streams-") as scratch,
        app(Path(scratch), streams, words) as port,
    ):
        heard = read(port, range(1, streams + 1), words)
    first = sorted(one.first_s for one in heard)
    named = f"{streams} answers at once, {words} words a side at {WORDS_A_SECOND:g} a second, one app process"
    ideal = words / WORDS_A_SECOND
    rows: list[tuple[str, str, float, str, float | None]] = [
        ("streams_first_token_p95", f"wait for the first word, 95 % of {named}", percentile(first, 95), "s", None),
        ("streams_first_token_median", "the same, half of them", statistics.median(first), "s", None),
        ("streams_whole_p95", "to the end of an answer, 95 %, against its pace",
         percentile(sorted(one.whole_s for one in heard), 95), "s", ideal),
        ("streams_lost", "words that never came", sum(one.lost for one in heard), "words", None),
        ("streams_crossed", "words that came to another reader", sum(one.crossed for one in heard), "words", None),
    ]  # fmt: skip
    return [
        {
            "id": name,
            "what": what,
            "value": round(value, 3),
            "unit": unit,
            "against": against,
            "ratio": round(value / against, 3) if against else None,
        }
        for name, what, value, unit, against in rows
    ]


def percentile(ordered: list[float], share: int) -> float:
    """The smallest value that `share` percent of them do not exceed."""
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


@contextlib.contextmanager
def app(folder: Path, at_once: int, words: int) -> Iterator[int]:
    """The scripted app in a process of its own; gives its port. It writes into the folder how late it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "medreason.bench.scripted_app", "--port", str(port)]
    command += ["--data-dir", str(folder / "data"), "--words", str(words), "--at-once", str(at_once + 1)]
    command += ["--lateness", str(folder / LATENESS)]
    log = folder / "app.log"
    with log.open("wb") as printed:
        child = subprocess.Popen(
            command, stdout=printed, stderr=subprocess.STDOUT, cwd=Path(__file__).resolve().parent.parent.parent
        )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not answers(port):
            if child.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace").strip()[-500:]
                raise MedReasonError(f"The app did not start: {said or 'it said nothing'}")
            time.sleep(0.1)
        yield port
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def answers(port: int) -> bool:
    try:
        get_json(port, "/config")
    except (OSError, ValueError):
        return False
    return True


def read(port: int, streams: Sequence[int], words: int) -> list[Heard]:
    """What each of these readers hears. All open the page, while there is no conversation yet that it would show
    them again; then all send at once."""
    page = Page(get_json(port, "/config"))
    for stream in (0, *streams):
        for event in page.opening:
            for _ in page.answers(port, session(stream), event, ""):
                pass
    listen(port, page, 0, words)  # what is made once, on the first question, is nobody's wait
    heard: list[Heard] = []
    faults: list[BaseException] = []
    start = threading.Barrier(len(streams))

    def work(stream: int) -> None:
        try:
            start.wait()
            heard.append(listen(port, page, stream, words))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise MedReasonError(f"{len(faults)} of {len(streams)} readers got no answer: {faults[0]}") from faults[0]
    return heard


class Page:
    """What a browser sends, as the page's own description tells: when it opens, and when Enter is pressed in the
    question field."""

    def __init__(self, config: dict[str, Any]):
        self._values = {one["id"]: one["props"].get("value") for one in config["components"]}
        self._field = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "question")
        events = config["dependencies"]
        self.asking = next(one for one in events if [self._field, "submit"] in one["targets"])
        self.opening = [one for one in events if any(kind == "load" for _, kind in one["targets"])]

    def answers(self, port: int, session: str, event: dict[str, Any], question: str) -> Iterator[str]:
        """Send an event; gives the lines of what comes back, to the last."""
        values = self._values | {self._field: question}
        asked = {
            "data": [values[one] for one in event["inputs"]],
            "fn_index": event["id"],
            "session_hash": session,
        }
        body = json.dumps({**asked, "event_data": None, "trigger_id": None}).encode()
        with contextlib.closing(connect(port)) as joining:
            joining.request("POST", "/gradio_api/queue/join", body, {"content-type": "application/json"})
            joined = joining.getresponse()
            if joined.status != 200:
                raise MedReasonError(f"the app refused with status {joined.status}")
            joined.read()
        with contextlib.closing(connect(port)) as reading:
            reading.request("GET", f"/gradio_api/queue/data?session_hash={session}")
            for line in reading.getresponse():
                yield line.decode("utf-8")
                if b'"process_completed"' in line:
                    return


def session(stream: int) -> str:
    return f"reader{stream}"


def listen(port: int, page: Page, stream: int, words: int) -> Heard:
    began, first, crossed, last = time.monotonic(), 0.0, 0, ""
    for last in page.answers(port, session(stream), page.asking, f"Stream {stream}"):
        of = SAID.findall(last)
        crossed += sum(int(one) != stream for one in of)
        if of and not first:
            first = time.monotonic() - began
    whole = time.monotonic() - began
    # What comes last carries everything.
    came = {f"s{of}" for of in re.findall(r"\bs(\d+[bf]\d+\.)", last)}
    wanted = {word(stream, letter, place) for letter in LETTERS.values() for place in range(words)}
    return Heard(first or whole, whole, len(wanted - came), crossed)


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_AFTER_S)


def get_json(port: int, path: str) -> dict[str, Any]:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(asking):
        asking.request("GET", path)
        found: dict[str, Any] = json.loads(asking.getresponse().read())
        return found
