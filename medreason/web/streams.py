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
    over, started, ended = anyio.Event(), False, False

    async def received() -> Message:
        message = GONE
        if over.is_set():
            return message

        async def hears() -> None:
            nonlocal message
            message = await receive()
            either.cancel_scope.cancel()

        async def waits() -> None:
            await over.wait()
            either.cancel_scope.cancel()

        async with anyio.create_task_group() as either:
            either.start_soon(hears)
            either.start_soon(waits)
        return message

    async def sent(message: Message) -> None:
        nonlocal started, ended
        if not over.is_set() and not ended:
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

    async def watch() -> None:
        while await holds():
            await anyio.sleep(every_s)
        over.set()

    async with anyio.create_task_group() as serving:
        serving.start_soon(watch)
        await app(scope, received, sent)
        serving.cancel_scope.cancel()
    if started and not ended:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
