"""Work that needs the model for itself: loading, unloading, another adapter."""

import threading
from collections.abc import Callable
from typing import Any


class Order:
    """Run by the engine's thread; whoever gave it waits, and hears what it raised."""

    def __init__(self, work: Callable[[], Any]):
        self._work = work
        self._done = threading.Event()
        self._fault: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as fault:
            self._fault = fault
        finally:
            self._done.set()

    def refuse(self, fault: Exception) -> None:
        """It will not be run."""
        self._fault = fault
        self._done.set()

    def wait(self) -> None:
        self._done.wait()
        if self._fault is not None:
            raise self._fault
