"""Work that takes longer than a request, such as reading a data set from the hub: it runs in a thread of its own,
tells how far it is, and its result stays until the next piece of the same owner.

Lives as long as the app. Whoever needs the result afterwards finds it on disk, where the work has put it.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from medreason.errors import Busy, MedReasonError

log = logging.getLogger(__name__)

Report = Callable[[float | None, str], None]

UNEXPECTED = (
    "This ended with an unexpected fault, which was written to the log. What was there before is kept; try again."
)


@dataclass(frozen=True)
class Work:
    """One piece of work as it stands. `kind` names what is done; `share` goes from 0 to 1 and is None while it
    cannot be told; `words` say what is being done; `fault` is one plain sentence where it failed."""

    kind: str
    share: float | None = None
    words: str = ""
    done: bool = False
    fault: str = ""
    result: Any = None


class Background:
    """At most one piece of work for each owner. Thread-safe."""

    def __init__(self) -> None:
        self._work: dict[int, Work] = {}
        self._lock = threading.Lock()

    def start(self, owner: int, kind: str, call: Callable[[Report], Any]) -> Work:
        """Begin `call` with a report to tell its progress by; returns at once. Raises `Busy` while the owner's
        last piece has not ended."""
        with self._lock:
            last = self._work.get(owner)
            if last is not None and not last.done:
                raise Busy(f"{last.words or last.kind} Wait until that has ended, then try again.")
            begun = self._work[owner] = Work(kind)
        threading.Thread(target=self._run, args=(owner, call), name=f"work-{kind}", daemon=True).start()
        return begun

    def of(self, owner: int) -> Work | None:
        """The owner's running or last piece of work."""
        with self._lock:
            return self._work.get(owner)

    def forget(self, owner: int) -> None:
        """Drop the result of what has ended."""
        with self._lock:
            if (last := self._work.get(owner)) is not None and last.done:
                del self._work[owner]

    def _run(self, owner: int, call: Callable[[Report], Any]) -> None:
        def report(share: float | None, words: str) -> None:
            self._change(owner, share=share, words=words)

        try:
            result = call(report)
        except MedReasonError as fault:
            self._change(owner, done=True, fault=str(fault))
        except Exception:
            log.exception("Work in the background failed")
            self._change(owner, done=True, fault=UNEXPECTED)
        else:
            self._change(owner, done=True, result=result)

    def _change(self, owner: int, **changes: Any) -> None:
        with self._lock:
            self._work[owner] = replace(self._work[owner], **changes)
