"""Assessments computed aside: asked for at once, given when ready, kept by what they rest on.

Two requests for the same data compute once. A result is held for the last few data only.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Generic, TypeVar

KEPT = 12
WAIT_S = 0.4

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """Results of `make` by key; at most `kept` of them, the oldest go first. Thread-safe."""

    def __init__(self, kept: int = KEPT):
        self._made: OrderedDict[str, Future[Made]] = OrderedDict()
        self._lock = threading.Lock()
        self._most = kept
        self._pool: ThreadPoolExecutor | None = None

    def ask(self, key: str, make: Callable[[], Made], wait_s: float = WAIT_S) -> Made | None:
        """The result, or None while it is being computed; waits `wait_s` for a quick one. What `make` raises
        is raised here once, and computed anew the next time."""
        with self._lock:
            future = self._made.get(key)
            if future is None:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(1, thread_name_prefix="results")
                future = self._made[key] = self._pool.submit(make)
                while len(self._made) > self._most:
                    self._made.popitem(last=False)
            else:
                self._made.move_to_end(key)
        try:
            return future.result(wait_s)
        except NotYet:
            return None
        except Exception:
            with self._lock:
                self._made.pop(key, None)
            raise


def content_key(*values: object) -> str:
    """The same for equal frozen values."""
    digest = hashlib.sha256()
    for value in values:
        digest.update(repr(value).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
