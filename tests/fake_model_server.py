"""An OpenAI-compatible server of our own that plays what it is told to, faults included. Knows no model.

It stands for servers that cannot be run in a test, and for what a real one does only when it breaks.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from dataclasses import field as default
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.server import free_port


def says(content: str = "", reasoning: str = "", field: str = "reasoning_content", **more: Any) -> dict[str, Any]:
    """One chunk: a piece of answer, or of thinking in a field of its own."""
    delta = {name: text for name, text in (("content", content), (field, reasoning)) if text}
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}


def ends(reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **more}


def usage(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more}}


@dataclass
class Play:
    """What one name answers: `chunks` with `pause_s` before each, then `[DONE]`. Text in place of a chunk is
    sent as it is. `echoes` says the question first; `breaks` ends the connection after the chunks, `hangs` leaves
    it open; `answer` replaces it all."""

    chunks: list[dict[str, Any] | str] = default(default_factory=list)
    pause_s: float = 0.0
    breaks: bool = False
    hangs: bool = False
    echoes: bool = False
    answer: Callable[[], Response] | None = None


def refuses(status: int, body: Any, **headers: str) -> Play:
    return Play(answer=lambda: JSONResponse(body, status, headers))


def leads_to(address: str) -> Play:
    return Play(answer=lambda: RedirectResponse(address))


def is_a_page() -> Play:
    return Play(answer=lambda: PlainTextResponse("<html>Hello</html>", media_type="text/html"))


class FakeModelServer:
    """`plays` is what each name answers; `asked` keeps each request's body and headers, `left` the names whose
    connection was ended by the reader, with the time, `ports` where each request came from. `models` is its list,
    a status, or a body."""

    def __init__(self, certificate: Path | None = None, key_file: Path | None = None) -> None:
        self.port = free_port()
        self._tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key_file)} if certificate else {}
        self.base = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}/v1"
        self.plays: dict[str, Play] = {}
        self.models: list[dict[str, Any]] | int | str = []
        self.asked: list[tuple[dict[str, Any], dict[str, str]]] = []
        self.ports: list[int] = []
        self.left: dict[str, float] = {}
        self.refused_fields: tuple[str, ...] = ()
        self.key = ""
        self._thread: threading.Thread | None = None

    def start(self) -> "FakeModelServer":
        routes = [
            Route("/v1/models", self._list),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/stolen/{path:path}", self._chat, methods=["GET", "POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="critical", timeout_graceful_shutdown=1, **self._tls
        )
        self._server = uvicorn.Server(config)
        taken = socket.socket()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", self.port))
        self._socket = taken
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [taken]}, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the fake server did not start"
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        if self._thread is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(10)
            self._socket.close()
            self._thread = None

    def _refusal(self, request: Request) -> Response | None:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            given = request.headers.get("authorization", "nothing")
            return JSONResponse({"error": {"message": f"Incorrect API key provided: {given}"}}, 401)
        return None

    async def _list(self, request: Request) -> Response:
        self.ports.append(request.client.port if request.client else 0)
        if isinstance(self.models, int):
            return PlainTextResponse("no", self.models)
        if isinstance(self.models, str):
            return PlainTextResponse(self.models)
        return self._refusal(request) or JSONResponse({"object": "list", "data": self.models})

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append((body, dict(request.headers)))
        self.ports.append(request.client.port if request.client else 0)
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        for name in self.refused_fields:
            if name in body or name in body.get("stream_options", {}):
                return JSONResponse({"detail": f"Unexpected fields in the request: {{'{name}'}}"}, 422)
        play = self.plays.get(body["model"])
        if play is None:
            message = f"The model `{body['model']}` does not exist."
            return JSONResponse({"error": {"message": message, "code": 404}}, 404)
        if play.answer is not None:
            return play.answer()
        first = [says(body["messages"][-1]["content"])] if play.echoes else []
        stream = self._stream(body["model"], play, [*first, *play.chunks])
        return StreamingResponse(stream, media_type="text/event-stream")

    async def _stream(self, name: str, play: Play, chunks: list[dict[str, Any] | str]) -> AsyncIterator[str]:
        try:
            for chunk in chunks:
                if play.pause_s:
                    await asyncio.sleep(play.pause_s)
                yield chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}\n\n"
            if play.hangs:
                await asyncio.sleep(3600)
        except (asyncio.CancelledError, GeneratorExit):
            self.left[name] = time.monotonic()
            raise
        if play.breaks:
            raise _BreaksOff
        yield "data: [DONE]\n\n"


class _BreaksOff(Exception):
    """Ends the connection in mid-answer."""
