"""The line in front of an engine: one at a time, first come first served, and one may leave again."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_EVERY_S = 0.05


class Line:
    """Thread-safe. A turn ends with its `with` block, however that is left."""

    def __init__(self) -> None:
        self._waiting: deque[object] = deque()
        self._moved = threading.Condition()

    @contextmanager
    def turn(self, cancelled: Callable[[], bool] | None = None) -> Iterator[bool]:
        """Waits for one's turn. Gives True once it has come, or False where `cancelled` turned true
        before; then one is out of the line already."""
        ticket = object()
        try:
            with self._moved:
                self._waiting.append(ticket)
                while self._waiting[0] is not ticket:
                    if cancelled is not None and cancelled():
                        break
                    self._moved.wait(LOOK_EVERY_S)
                reached = self._waiting[0] is ticket
                if not reached:
                    self._waiting.remove(ticket)
            yield reached
        finally:
            with self._moved:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                self._moved.notify_all()
