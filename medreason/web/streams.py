"""A stream that lasts only as long as something holds."""

from collections.abc import Awaitable, Callable

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GONE: Message = {"type": "http.disconnect"}


async def serve_while(
    holds: Callable[[], Awaitable[bool]],
    every_s: float,
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Let `app` answer. Once `holds` no more, looked at every so many seconds, it is told that its client has
    gone, and the client that the answer is at its end."""
    over, started, ended = False, False, False
    listening: set[anyio.CancelScope] = set()

    async def received() -> Message:
        if not over:
            with anyio.CancelScope() as scope_of_one:
                listening.add(scope_of_one)
                try:
                    return await receive()
                finally:
                    listening.discard(scope_of_one)
        return GONE

    async def sent(message: Message) -> None:
        nonlocal started, ended
        if not over and not ended:
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

    async def watch() -> None:
        nonlocal over
        await anyio.sleep(every_s)  # it held a moment ago
        while await holds():
            await anyio.sleep(every_s)
        over = True
        for one in listening:
            one.cancel()

    async with anyio.create_task_group() as serving:
        serving.start_soon(watch)
        await app(scope, received, sent)
        serving.cancel_scope.cancel()
    if started and not ended:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
