"""Speaks HTTP with one OpenAI-compatible server: which models it names, and one streamed answer as its chunks.

httpx and not the `openai` client, because less happens unseen: that client asks again by itself, follows
redirects, and takes address, key and organisation from variables of its own; and the fields that matter here
(`reasoning`, `top_k`, `chat_template_kwargs`) lie outside its types. A proxy or a .netrc of this computer is not
used either.

No connection is kept for a second request: a server may close it in the very moment in which it is used again,
as `transformers serve` does after its fault of /models.
"""

import json
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from medreason import __version__
from medreason.domain.model_server import ModelServer
from medreason.engine.server_fault import ServerFault, lost, refusal, shown
from medreason.errors import MedReasonError

CONNECT_WITHIN_S = 10.0
SILENCE_S = 300.0  # some servers load a model only when it is first asked
LIST_WITHIN_S = 20.0
LONGEST_LINE = 1 << 20
LONGEST_BODY = 1 << 20


class ServedModel(NamedTuple):
    """A model as the server's list tells it. `root` is what lies behind the name, `parent` the base that an
    adapter belongs to; both are empty where the server does not say."""

    name: str
    root: str = ""
    parent: str = ""


def read_key(server: ModelServer) -> str:
    """The key in the variable that the options name, or empty where they name none. Raises `MedReasonError`, which
    never holds what was found."""
    if not server.api_key_env:
        return ""
    key = os.environ.get(server.api_key_env, "").strip()
    if not key:
        raise MedReasonError(
            "The environment variable that --api-key-env names is not set, or empty. Set it first."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise MedReasonError(
            "The environment variable that --api-key-env names holds characters that no key has. Set it anew."
        )
    return key


class ServerConnection:
    """`silence_s` is how long the server may say nothing before an answer is given up."""

    def __init__(self, server: ModelServer, key: str = "", silence_s: float = SILENCE_S):
        self.server = server
        self._key = key
        self._silence_s = silence_s
        secure = server.api_base.startswith("https:")
        # Loading the certificates takes a moment, so it is done once, and only where they are used.
        self._tls = httpx.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        # No compression: a small answer cannot grow large here.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"MedReason/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        patience = httpx.Timeout(self._silence_s, connect=CONNECT_WITHIN_S)
        async with httpx.AsyncClient(
            headers=headers,
            timeout=patience,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=self._tls,
            trust_env=False,
            follow_redirects=False,
        ) as client:
            yield client

    async def models(self, client: httpx.AsyncClient) -> tuple[ServedModel, ...] | None:
        """The server's list, or None where it keeps none that can be read: not every server does. Raises
        `ServerFault` where it cannot be reached or does not accept the key."""
        try:
            async with client.stream("GET", f"{self.server.api_base}/models", timeout=LIST_WITHIN_S) as response:
                body = await _read(response)
                if response.status_code in (401, 403) or response.is_redirect:
                    raise refusal(self.server, "", response.status_code, body, self._key)
                return _listed(body) if response.status_code == 200 else None
        except httpx.HTTPError as fault:
            raise lost(self.server, fault, LIST_WITHIN_S) from fault

    async def chunks(self, client: httpx.AsyncClient, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The chunks of one streamed answer, as they come. To be closed by its reader, which ends the connection
        and with it the answer. Raises `ServerFault`."""
        address = f"{self.server.api_base}/chat/completions"
        try:
            async with client.stream("POST", address, json=body) as response:
                if response.status_code != 200:
                    raise refusal(
                        self.server, body["model"], response.status_code, await _read(response), self._key
                    )
                kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
                if kind != "text/event-stream":
                    raise self._strange(f"it answered with {shown(kind, self._key) or 'nothing'} and not a stream")
                async for data in self._data(response.aiter_raw()):
                    if data == "[DONE]":
                        return
                    yield self._chunk(data)
        except httpx.HTTPError as fault:
            raise lost(self.server, fault, self._silence_s) from fault

    async def _data(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[str]:
        """What stands after `data:` on each line of a stream of server-sent events. Lines end at CR or LF alone:
        the separators that Unicode has besides are ordinary text here, and stand in answers."""
        held = b""
        async for piece in pieces:
            *lines, held = (held + piece).replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                if line.startswith(b"data:"):
                    yield line[len(b"data:") :].decode("utf-8", "replace").strip()
            if len(held) > LONGEST_LINE:
                raise self._strange("it sends a line without an end")
        if held.startswith(b"data:"):
            yield held[len(b"data:") :].decode("utf-8", "replace").strip()

    def _chunk(self, data: str) -> dict[str, Any]:
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError) as fault:
            raise self._strange("a part of its answer is not JSON") from fault
        if not isinstance(chunk, dict):
            raise self._strange("a part of its answer is no object")
        if "error" in chunk:
            error = chunk["error"]
            said = shown(error.get("message", error) if isinstance(error, dict) else error, self._key)
            raise ServerFault(
                f"The server at {self.server.api_base} stopped with a fault: {said.rstrip('.')}. Ask again."
            )
        return chunk

    def _strange(self, what: str) -> ServerFault:
        return ServerFault(
            f"The server at {self.server.api_base} does not speak as an OpenAI-compatible one: {what}. "
            "Check --api-base."
        )


async def _read(response: httpx.Response) -> bytes:
    """The body up to a limit; what lies beyond is left."""
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > LONGEST_BODY:
            break
    return body


def _listed(body: bytes) -> tuple[ServedModel, ...] | None:
    try:
        data = json.loads(body)["data"]
        return tuple(
            ServedModel(str(one["id"]), str(one.get("root") or ""), str(one.get("parent") or "")) for one in data
        )
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None
