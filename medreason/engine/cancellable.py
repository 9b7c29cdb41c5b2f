"""Reads what a coroutine makes from ordinary code, and lets a flag end it: one thread and event loop a question.

A blocking read cannot be interrupted, a waiting coroutine can; so Stop takes effect while a server is silent.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

LOOK_EVERY_S = 0.05
LEAVE_WITHIN_S = 1.0

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    fault: BaseException | None = None


def stream(
    produce: Callable[[Callable[[T], None]], Coroutine[Any, Any, None]], cancelled: Callable[[], bool]
) -> Generator[T]:
    """Yields what `produce` puts, until it returns; raises what it raises. It is cancelled once `cancelled` turns
    true, and what it puts on its way out still comes; also where the reader closes this iterator early."""
    made: queue.Queue[T | _End] = queue.Queue()
    loop = asyncio.new_event_loop()
    task = loop.create_task(produce(made.put))

    def run() -> None:
        end = _End()
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        except BaseException as fault:
            end = _End(fault)
        try:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
        finally:
            made.put(end)

    def stop() -> None:
        with suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(task.cancel)

    thread = threading.Thread(target=run, name="ask-server", daemon=True)
    thread.start()
    stopped = False
    try:
        while True:
            if not stopped and cancelled():
                stopped = True
                stop()
            try:
                item = made.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                if item.fault is not None:
                    raise item.fault
                return
            yield item
    finally:
        stop()
        thread.join(LEAVE_WITHIN_S)
