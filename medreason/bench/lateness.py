"""How late somebody is: a clock that ought to tick every few milliseconds, and the worst of each second.

Run beside what is measured, in its event loop or among its threads, it tells who waited: whoever was kept from
running ticks late.
"""

import asyncio
import threading
import time
from pathlib import Path

TICK_S = 0.02


class Lateness:
    """`seconds` holds for every second by how much its latest tick was late; with `log` they are written there
    too, a line a second."""

    def __init__(self, log: Path | None = None):
        self.seconds: list[float] = []
        self._log = log
        self._began = time.monotonic()
        self._worst = 0.0

    async def in_loop(self) -> None:
        """Tick in the running event loop until cancelled."""
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self._note(due)

    def in_thread(self, ended: threading.Event) -> None:
        """Tick in this thread until then."""
        while not ended.is_set():
            due = time.monotonic() + TICK_S
            time.sleep(TICK_S)
            self._note(due)

    def _note(self, due: float) -> None:
        now = time.monotonic()
        self._worst = max(self._worst, now - due)
        if now - self._began >= 1:
            self.seconds.append(self._worst)
            if self._log is not None:
                with self._log.open("a", encoding="ascii") as written:
                    written.write(f"{self._worst:.4f}\n")
            self._began, self._worst = now, 0.0


def read(log: Path) -> list[float]:
    """The seconds of another process, as it wrote them."""
    return [float(line) for line in log.read_text(encoding="ascii").split()] if log.exists() else []
