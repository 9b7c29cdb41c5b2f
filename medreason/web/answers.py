"""What the shell itself answers: plain sentences, never a traceback, a path or what is behind it."""

import json
import logging
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

FAULT = "Something went wrong here, and it was written to the log. Reload the page and try again."
NOT_LOGGED_IN = "You are not logged in."
MADE_PLAIN = (500, 422)
NOTHING_HERE = "There is nothing here."


def refusal(scope: Scope, sentence: str, status: int, **headers: str) -> Response:
    """A sentence, as JSON where the page's own scripts ask."""
    if scope["path"].startswith("/gradio_api/"):
        return JSONResponse({"detail": sentence, "error": sentence}, status, headers or None)
    return PlainTextResponse(sentence, status, headers or None)


class PlainFaults:
    """Turns every 500 from inside, every exception, and every list of faults that a framework found in a request,
    into one sentence. Other answers pass untouched."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = broken = False

        async def sent(message: Message) -> None:
            nonlocal started, broken
            if message["type"] == "http.response.start":
                if message["status"] in MADE_PLAIN:
                    broken = True
                    return
                started = True
            if not broken:
                await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception as fault:
            if started:
                raise
            log.error("A request failed: %s %s", scope["method"], scope["path"], exc_info=fault)
            broken = True
        if broken:
            await refusal(scope, FAULT, 400)(scope, receive, send)


def parse(body: bytes) -> Any:
    """The JSON of a body. Raises `ValueError` for what is none, for NaN and infinities, and for what is nested so
    deeply that reading it would end the reader."""

    def no_such_number(name: str) -> float:
        raise ValueError(f"{name} is no number of JSON")

    try:
        return json.loads(body, parse_constant=no_such_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
