"""The real Rate tab on a real store, served without a model: for browser tests that need no answers made."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gradio as gr
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from medreason.domain.user import User
from medreason.ui import rate
from medreason.web.site import build_site
from tests.server import free_port


class Overheard:
    """Keeps every byte that goes to the browser, by path; asks for them uncompressed."""

    def __init__(self, app: ASGIApp, sent: dict[str, bytearray]):
        self.app, self.sent = app, sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]

        async def heard(message: Message) -> None:
            kept = self.sent.setdefault(scope["path"], bytearray())
            kept += message.get("body", b"")
            for name, value in message.get("headers", ()):
                kept += name + b": " + value + b"\n"
            await send(message)

        await self.app({**scope, "headers": plain}, receive, heard)


class RatePage:
    """One served Rate tab. `stop` and `start` take it away and bring it back on the same address; `sent` holds
    all that went to browsers, by path."""

    def __init__(self, services: SimpleNamespace, user: User, build: Callable[..., Any] = rate.build):
        self.services, self.user, self.build = services, user, build
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sent: dict[str, bytearray] = {}

    def start(self) -> None:
        ask = SimpleNamespace(user=lambda request: self.user)
        with gr.Blocks(title="Rate", analytics_enabled=False) as page:
            gr.Markdown("# Rate")
            tab = self.build(self.services, ask)
            page.load(tab.restore, None, tab.restore_outputs, api_visibility="private", show_progress="hidden")
        site = Overheard(build_site(page, lambda: None), self.sent)
        config = uvicorn.Config(site, "127.0.0.1", self.port, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self._server.started

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@contextmanager
def served(services: SimpleNamespace, user: User, build: Callable[..., Any] = rate.build) -> Iterator[RatePage]:
    page = RatePage(services, user, build)
    page.start()
    try:
        yield page
    finally:
        page.stop()
