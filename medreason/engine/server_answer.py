"""One answer of one name, from request to last event. A fault ends it in words and touches nothing else."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx

from medreason.domain.arms import Arm
from medreason.domain.events import Event
from medreason.engine.server_connection import ServerConnection
from medreason.engine.server_fault import ServerFault
from medreason.engine.server_voice import ServerVoice

log = logging.getLogger(__name__)

# How long the counts are waited for, once the answer itself is whole.
COUNTS_WITHIN_S = 5.0
UNEXPECTED = "The answer stopped because of an unexpected fault; the log says more. Ask again."


async def answer(
    connection: ServerConnection,
    client: httpx.AsyncClient,
    arm: Arm,
    body: dict[str, Any],
    put: Callable[[Event], None],
) -> ServerFault | None:
    """Puts the arm's text and last event. Gives the fault back where one ended it. Cancelling it ends the
    connection, with what was said kept."""
    voice = ServerVoice(arm)
    try:
        await _read(connection, client, voice, body, put)
        ending = voice.end()
    except asyncio.CancelledError:
        _all(put, voice.cancel())
        raise
    except ServerFault as fault:
        _all(put, voice.fail(str(fault)))
        return fault
    except Exception:
        log.exception("Asking the server failed")
        _all(put, voice.fail(UNEXPECTED))
        return ServerFault(UNEXPECTED)
    _all(put, ending)
    return None


async def _read(
    connection: ServerConnection,
    client: httpx.AsyncClient,
    voice: ServerVoice,
    body: dict[str, Any],
    put: Callable[[Event], None],
) -> None:
    try:
        async with asyncio.timeout(None) as limit, aclosing(connection.chunks(client, body)) as chunks:
            async for chunk in chunks:
                _all(put, voice.take(chunk))
                if voice.finish_reason and limit.when() is None:
                    limit.reschedule(asyncio.get_running_loop().time() + COUNTS_WITHIN_S)
    except (ServerFault, TimeoutError):
        if not voice.finish_reason:
            raise
        # The answer is whole; only its counts did not come.


def _all(put: Callable[[Event], None], events: list[Event]) -> None:
    for event in events:
        put(event)
