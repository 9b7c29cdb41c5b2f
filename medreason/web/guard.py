"""Checks every request before the page sees it, and adds the security headers to every response.

Pure ASGI, so that streams pass through untouched and body bytes can be counted.
"""

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

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class TooLarge(Exception):
    """The body grew over the limit while it was read."""


class Guard:
    """Refuses foreign hosts (400), foreign origins on changing requests (403) and large bodies (413).

    `hosts` are the names under which the page may be asked for, without port. `body_limit` is in bytes.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], body_limit: int):
        self.app = app
        self.hosts = hosts
        self.body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await refusal(scope, receive, self._with_headers(send))
            return
        outward = self._with_headers(send)
        taken, too_large, started = 0, False, False

        async def counted() -> Message:
            nonlocal taken, too_large
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.body_limit:
                too_large = True
                raise TooLarge
            return message

        async def sent(message: Message) -> None:
            nonlocal started
            # Frameworks below turn the exception into a 500 of their own; the refusal takes its place.
            if too_large and not started:
                return
            started = True
            await outward(message)

        try:
            await self.app(scope, counted, sent)
        except TooLarge:
            pass
        if too_large and not started:
            await self._too_large()(scope, receive, outward)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        if host not in self.hosts:
            return PlainTextResponse("This address is not served here.", 400)
        origin = headers.get("origin")
        if method not in SAFE_METHODS and origin is not None:
            if urlsplit(origin).netloc != headers.get("host"):
                return PlainTextResponse("This request came from another site.", 403)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.body_limit:
            return self._too_large()
        return None

    def _too_large(self) -> PlainTextResponse:
        return PlainTextResponse(f"This is larger than {self.body_limit // 2**20} MB.", 413)

    def _with_headers(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        return sent
