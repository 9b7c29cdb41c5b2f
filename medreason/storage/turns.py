"""Turns at something that takes one at a time: first come, first served, also when many threads ask at once.

SQLite has one writer, and lets those who wait try again by chance; under load one of fifty could wait for ever.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from medreason.errors import Busy


class Turns:
    """Threads of one process take turns; others are SQLite's affair."""

    def __init__(self, patience_s: float):
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn and give it on afterwards; raises `Busy` when it did not come in time."""
        if not self._take():
            raise Busy("Not saved, the database is busy. Try again in a moment.")
        try:
            yield
        finally:
            self._give_on()

    def _take(self) -> bool:
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(self._patience_s):
            return True
        with self._lock:
            if mine.is_set():  # given on at the last moment
                return True
            self._waiting.remove(mine)
            return False

    def _give_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
