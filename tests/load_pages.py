"""Open pages without a browser: what each sends and reads, and when each answer came.

As in a browser, a page keeps a heartbeat open, puts an event into the queue with one request and reads what is
said to its session with another, to its end. What is read is looked at after its time was taken.
"""

import contextlib
import json
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medreason.bench.scripted_app import LETTERS, word
from medreason.bench.streams import SAID, connect
from tests.rate_desk import whole
from tests.showings import Tags
from tests.studies import NAME

Event = dict[str, Any]
TURNS = 4
"""Questions of one conversation."""
LOCAL = {"content-type": "application/json"}


@dataclass(frozen=True)
class Turn:
    """Seconds of one event: until the queue had taken it, until it began, until its answer was read; and how long
    its function ran."""

    joined: float
    waited: float
    answered: float
    ran: float

    @property
    def whole(self) -> float:
        return self.joined + self.waited + self.answered


class OpenPage:
    """One session of the page that `config` describes."""

    def __init__(self, port: int, config: dict[str, Any], session: str):
        self._port, self.session, self._config = port, session, config
        self.ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        self._values = {one["id"]: one["props"].get("value") for one in config["components"]}

    def event(self, component: int, kind: str) -> Event:
        return next(one for one in self._config["dependencies"] if [component, kind] in one["targets"])

    def after(self, event: Event) -> Event:
        """What follows it by `.then`."""
        return next(one for one in self._config["dependencies"] if one["trigger_after"] == event["id"])

    def join(self, event: Event, **values: Any) -> str:
        """Put the event into the queue, with values of fields by their `elem_id`; gives its number there."""
        held = self._values | {self.ids[name.replace("_", "-")]: value for name, value in values.items()}
        asked = {"data": [held[one] for one in event["inputs"]], "fn_index": event["id"]}
        asked |= {"session_hash": self.session, "event_data": None, "trigger_id": None}
        with contextlib.closing(connect(self._port)) as joining:
            joining.request("POST", "/gradio_api/queue/join", json.dumps(asked).encode(), LOCAL)
            answer = joining.getresponse()
            said = answer.read()
            assert answer.status == 200, (answer.status, said[:200])
        return str(json.loads(said)["event_id"])

    def told(self) -> Iterator[bytes]:
        """The lines that are said to this session, until all its events are over."""
        with contextlib.closing(connect(self._port)) as reading:
            reading.request("GET", f"/gradio_api/queue/data?session_hash={self.session}")
            for line in reading.getresponse():
                if b'"msg":"close_stream"' in line:
                    return
                if line.startswith(b"data: "):
                    yield line[len(b"data: ") :]

    def asked(self, event: Event, **values: Any) -> tuple[Turn, list[Any]]:
        """Send an event that answers once; gives how long that took, and its outputs."""
        began = time.monotonic()
        self.join(event, **values)
        joined = started = ended = time.monotonic()
        last = b""
        for line in self.told():
            ended = time.monotonic()
            if b'"msg":"process_starts"' in line:
                started = ended
            elif b'"msg":"process_completed"' in line:
                last = line
                break
        said = json.loads(last)
        assert said["success"], said["output"]
        turn = Turn(joined - began, started - joined, ended - started, said["output"]["duration"])
        return turn, said["output"]["data"]


class RaterPage(OpenPage):
    """One rater's page: sends what is pressed, and reads the screen that comes back."""

    def __init__(self, port: int, config: dict[str, Any], name: str):
        super().__init__(port, config, f"rater{name.replace(' ', '')}")
        self._press, self._fill = (self.event(self.ids[one], "change") for one in ("rate-send", "rate-draft"))
        self.name, self._sent = name, 0
        self.act("go", study=NAME)

    def act(self, act: str, **asked: Any) -> tuple[Turn, str]:
        """Gives what was said to it, too."""
        self._sent += 1
        sent = {"act": act, "n": self._sent, "rater": self.name, **asked}
        turn, (screen, said, _) = self.asked(self._press, rate_send=json.dumps(sent))
        assert isinstance(screen, str), f"{act} was refused: {said}"
        self._screen = screen
        return turn, said

    def save(self) -> Turn:
        """Fill the open sheet and save it; raises unless the app says so."""
        showing, form = self._sheet()
        turn, said = self.act("save", study=NAME, showing=showing, form=form)
        assert "Saved." in said, said
        return turn

    def draft(self) -> Turn:
        """What is filled in so far, as the page sends it unasked."""
        showing, form = self._sheet()
        sent = {"study": NAME, "showing": showing, "form": form, "rater": self.name}
        turn, (said,) = self.asked(self._fill, rate_draft=json.dumps(sent))
        assert not isinstance(said, str), f"a draft was refused: {said}"
        return turn

    def _sheet(self) -> tuple[int, dict[str, Any]]:
        tags = Tags(self._screen)
        form = tags.data("data-sheet")[0]
        return int(tags.data("data-place")[0]["showing"]), {**form, **whole(form)}


@dataclass(frozen=True)
class Heard:
    """Words of an answer that never came, and words that were another's."""

    lost: int
    crossed: int


class ReaderPage(OpenPage):
    """A reader in Compare, who asks, reads both answers to their end, and begins another conversation after some
    questions."""

    def __init__(self, port: int, config: dict[str, Any], number: int):
        super().__init__(port, config, f"reader{number}")
        self._number, self._questions = number, 0
        self._send = self.event(self.ids["question"], "submit")
        self._drawn = self.after(self._send)
        state = next(one for one in self._send["outputs"] if self._changes(one))
        self._begun = self.event(state, "change")
        self._afresh = next(one for one in config["dependencies"] if one["api_name"] == "start_afresh")

    def _changes(self, component: int) -> bool:
        return any([component, "change"] in one["targets"] for one in self._config["dependencies"])

    def ask(self, words: int) -> Heard:
        """All that Enter sets off: the answer, what is drawn once it has begun, and what is drawn at its end."""
        self._questions += 1
        if self._questions % TURNS == 0:
            self.asked(self._afresh)
        mine, crossed, begun, last = self.join(self._send, question=f"Stream {self._number}"), 0, False, ""
        for line in self.told():
            if mine.encode() not in line:
                continue
            text = line.decode()
            if not begun and "process_generating" in text and json.loads(text)["output"]["changed_state_ids"]:
                begun = True
                self.join(self._begun)
            crossed += sum(int(one) != self._number for one in SAID.findall(text))
            if '"msg":"process_completed"' in text:
                last = text
        assert begun and json.loads(last)["success"], last[:300]
        self.asked(self._drawn)
        # What comes last carries everything.
        wanted = {word(self._number, letter, place) for letter in LETTERS.values() for place in range(words)}
        return Heard(sum(one not in last for one in wanted), crossed)


@contextlib.contextmanager
def heartbeats(port: int, pages: Sequence[OpenPage]) -> Iterator[None]:
    """Each page keeps its heartbeat open and reads it, as long as it is open."""
    ended = threading.Event()
    with contextlib.ExitStack() as kept, selectors.DefaultSelector() as beating:
        for page in pages:
            open_one = kept.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            asked = f"GET /gradio_api/heartbeat/{page.session} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n"
            open_one.sendall(asked.encode("ascii"))
            assert open_one.recv(64).startswith(b"HTTP/1.1 200")
            beating.register(open_one, selectors.EVENT_READ)

        def read() -> None:
            while not ended.is_set():
                for key, _ in beating.select(0.5):
                    if not key.fileobj.recv(4096):  # type: ignore[union-attr]
                        beating.unregister(key.fileobj)

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        try:
            yield
        finally:
            ended.set()
            reading.join(5)
