"""Checks every request before the page sees it, and adds the security headers to every response.

Pure ASGI, so that streams pass through untouched and body bytes can be counted.
"""

import asyncio
import ipaddress
from collections.abc import Container, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # no-referrer would make browsers send "Origin: null" with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

ENCRYPTED_ONLY = {"strict-transport-security": "max-age=31536000"}
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# A body that stops coming gives its place free.
PIECE_WITHIN_S = 30.0


@dataclass(frozen=True)
class Hosts:
    """The names under which the page may be asked for. Where it is served on every address of a computer, each
    address is one: unlike a name, nobody can make an address lead elsewhere."""

    names: frozenset[str]
    any_address: bool = False

    def __contains__(self, host: object) -> bool:
        if host in self.names:
            return True
        try:
            return self.any_address and bool(ipaddress.ip_address(str(host)))
        except ValueError:
            return False


class Unread(Exception):
    """The body grew over the limit while it was read, or stopped coming."""


class Guard:
    """Refuses foreign hosts (400), foreign origins on changing requests (403) and large bodies (413).

    `hosts` are the names under which the page may be asked for, without port. `body_limit` is in bytes;
    `larger` holds the paths that have a limit of their own. `secure`: browsers shall come by https alone.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Container[str | None],
        body_limit: int,
        larger: Mapping[str, int] | None = None,
        secure: bool = False,
    ):
        self.app = app
        self.hosts = hosts
        self.body_limit = body_limit
        self.larger = dict(larger or {})
        self.headers = SECURITY_HEADERS | (ENCRYPTED_ONLY if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self.larger.get(scope["path"], self.body_limit)
        refusal = self._refusal(scope["method"], scope["scheme"], headers, limit)
        if refusal is not None:
            await refusal(scope, receive, self._with_headers(send))
            return
        outward = self._with_headers(send)
        taken, whole, started = 0, False, False
        unread: PlainTextResponse | None = None

        async def counted() -> Message:
            nonlocal taken, whole, unread
            try:
                message = await (receive() if whole else asyncio.wait_for(receive(), PIECE_WITHIN_S))
            except TimeoutError:
                unread = PlainTextResponse("This request stopped half-way.", 408)
                raise Unread from None
            whole = not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > limit:
                unread = self._too_large(limit)
                raise Unread
            return message

        async def sent(message: Message) -> None:
            nonlocal started
            # Frameworks below turn the exception into a 500 of their own; the refusal takes its place.
            if unread is not None and not started:
                return
            started = True
            await outward(message)

        try:
            await self.app(scope, counted, sent)
        except Unread:
            pass
        if unread is not None and not started:
            await unread(scope, receive, outward)

    def _refusal(self, method: str, scheme: str, headers: Headers, limit: int) -> PlainTextResponse | None:
        if _host_of(headers) not in self.hosts:
            return PlainTextResponse("This address is not served here.", 400)
        if method not in SAFE_METHODS:
            foreign = headers.get("origin", f"{scheme}://{headers['host']}") != f"{scheme}://{headers['host']}"
            if foreign or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                return PlainTextResponse("This request came from another site.", 403)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            return self._too_large(limit)
        return None

    @staticmethod
    def _too_large(limit: int) -> PlainTextResponse:
        return PlainTextResponse(f"This is larger than {limit // 2**20} MB.", 413)

    def _with_headers(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
            await send(message)

        return sent


def _host_of(headers: Headers) -> str | None:
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return None
