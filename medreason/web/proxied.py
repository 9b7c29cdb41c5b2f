"""How a request came here: directly, or through the one proxy that is trusted.

What a proxy says of a request counts from that proxy alone. Everything inside sees the public address, and no
header with which somebody could tell it another.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FORWARDED = (b"forwarded", b"x-real-ip", b"x-original-url", b"x-rewrite-url")


@dataclass(frozen=True)
class Proxy:
    """`public_url` is the https address that people open; only `trusted` and this computer may connect."""

    public_url: str
    trusted: Network

    @property
    def host(self) -> str:
        return urlsplit(self.public_url).netloc


class Proxied:
    def __init__(self, app: ASGIApp, proxy: Proxy | None, own_hosts: frozenset[str]):
        """`own_hosts`: the names under which the proxy may ask for this app."""
        self.app = app
        self.proxy = proxy
        self.own_hosts = own_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kept = [
            (name, value)
            for name, value in scope["headers"]
            if not name.startswith(b"x-forwarded-") and name not in FORWARDED
        ]
        if self.proxy is None:
            await self.app({**scope, "headers": kept}, receive, send)
            return
        peer = _address(scope["client"][0] if scope["client"] else "")
        if peer is None or not (peer in self.proxy.trusted or peer.is_loopback):
            said = PlainTextResponse(f"Open {self.proxy.public_url} instead.", 403)
            await said(scope, receive, send)
            return
        client, headers = scope["client"], Headers(raw=kept)
        if peer in self.proxy.trusted:
            told = Headers(scope=scope).get("x-forwarded-for", "").rsplit(",", 1)[-1].strip()
            client = (told, 0) if _address(told) else client
        if urlsplit(f"//{headers.get('host', '')}").hostname in self.own_hosts:
            kept = [(name, value) for name, value in kept if name != b"host"]
            kept.append((b"host", self.proxy.host.encode("ascii")))
        await self.app({**scope, "headers": kept, "client": client, "scheme": "https"}, receive, send)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def throttled_as(text: str) -> str:
    """The address under which tries are counted: one home or ward has a whole IPv6 network of 64 bits."""
    found = _address(text)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found) if found else "unknown"
