"""What the shell itself answers: plain sentences, never a traceback, a path or what is behind it."""

import json
import logging
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

FAULT = "Something went wrong here, and it was written to the log. Reload the page and try again."
UNREADABLE = "This request cannot be read. Reload the page and try again."
NOT_LOGGED_IN = "You are not logged in."
NOTHING_HERE = "There is nothing here."
LONGEST_ANSWER = 64 * 1024


def refusal(scope: Scope, sentence: str, status: int, **headers: str) -> Response:
    """A sentence, as JSON where the page's own scripts ask."""
    if scope["path"].startswith("/gradio_api/"):
        return JSONResponse({"detail": sentence, "error": sentence}, status, headers or None)
    return PlainTextResponse(sentence, status, headers or None)


class PlainFaults:
    """Tells in one sentence what went wrong inside, and under its true number: 400 for a request that a framework
    found no sense in, 400 with its own words where an event refused in words (Gradio gives these 500), and 500
    for a defect, which is then in the log. Other answers pass untouched."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, said = False, 0, bytearray()

        async def sent(message: Message) -> None:
            nonlocal started, status
            if message["type"] == "http.response.start" and message["status"] in (500, 422):
                status = message["status"]
            elif status:
                said.extend(message.get("body", b"")[: LONGEST_ANSWER - len(said)])
            else:
                started = True
                await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception as fault:
            if started:
                raise
            log.error("A request failed: %s %s", scope["method"], scope["path"], exc_info=fault)
            await refusal(scope, FAULT, 500)(scope, receive, send)
            return
        if status == 422:
            await refusal(scope, UNREADABLE, 400)(scope, receive, send)
        elif status and (words := _words(said)):
            await refusal(scope, words, 400)(scope, receive, send)
        elif status:
            log.error("A request failed: %s %s answered 500", scope["method"], scope["path"])
            await refusal(scope, FAULT, 500)(scope, receive, send)


def _words(said: bytes | bytearray) -> str:
    """The sentence of an event that refused, as Gradio puts it into its answer, or nothing."""
    try:
        content = json.loads(said)
    except ValueError:
        return ""
    words = content.get("error") if isinstance(content, dict) else None
    return words if isinstance(words, str) else ""


def parse(body: bytes) -> Any:
    """The JSON of a body. Raises `ValueError` for what is none, for NaN and infinities, and for what is nested so
    deeply that reading it would end the reader."""

    def no_such_number(name: str) -> float:
        raise ValueError(f"{name} is no number of JSON")

    try:
        return json.loads(body, parse_constant=no_such_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
