"""The body of a request, read whole by whoever checks it, and given out once more to whoever answers it."""

from starlette.types import Message, Receive


async def whole(receive: Receive) -> bytes:
    """The body, which the guard keeps within its limit."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """Give the same body out once more, then whatever comes."""
    given = False

    async def received() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
