"""The whole site as it is served, on a scripted engine, for several people at once without a browser."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import uvicorn
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from medreason.assembly import assemble
from medreason.domain.user import Role, User
from medreason.engine.scripted import ScriptedEngine
from medreason.services.services import Services
from medreason.settings import AppSettings
from medreason.storage.audit import Audit
from medreason.storage.database import Database
from medreason.ui.page import build_page
from medreason.web.pages import Page, mount
from medreason.web.site import Front, build_shell
from tests.logins import PASSWORD, Desk
from tests.server import free_port
from tests.store import empty

ADDRESS = "http://127.0.0.1:7860"
ORIGIN = {"origin": ADDRESS}
FRONT = Front()
PEOPLE = {"ann": Role.ADMIN, "eve": Role.ENGINEER, "lea": Role.LEAD, "rae": Role.RATER, "bob": Role.RATER}


class Shell:
    """One running site. `browser` gives a new browser, `logged_in` one of somebody who has logged in."""

    def __init__(self, site: ASGIApp, services: Services, desk: Desk):
        self.site, self.services, self.desk = site, services, desk
        self.audit = Audit(desk.logins.database)
        self._running = TestClient(site, base_url=ADDRESS, raise_server_exceptions=False)

    def browser(self, base_url: str = ADDRESS, **how: Any) -> TestClient:
        made = TestClient(
            self.site, base_url=base_url, raise_server_exceptions=False, follow_redirects=False, **how
        )
        made.portal = self._running.portal  # one event loop for all, as on a server
        return made

    def logged_in(self, name: str) -> TestClient:
        browser = self.browser()
        answer = browser.post("/login", data={"name": name, "password": PASSWORD}, headers=ORIGIN)
        assert answer.status_code == 303, answer.text
        return browser

    def user(self, name: str) -> User:
        return self.desk.people.named(name)

    def refused(self) -> list[tuple[str, str]]:
        """What the audit says was refused: to whom, and what."""
        return [(one.actor, one.object) for one in self.audit.entries() if one.action == "refused"]


def built(data: Path, people: dict[str, Role], front: Front, engine: ScriptedEngine | None = None) -> Shell:
    """A site that is not served yet. Its model is ready at once."""
    settings = AppSettings(data_dir=data)
    settings.folder.prepare()
    if not settings.folder.database.exists():
        settings.folder.database.write_bytes(empty())
    services = assemble(settings, lambda: engine or ScriptedEngine())
    desk = Desk(Database.open(settings.folder.database))
    for name, role in people.items():
        desk.adds(name, role)
    services = replace(services, people=desk.people, logging_in=desk.logging_in)
    services.serving.start_loading()
    build = partial(build_page, services)
    site = build_shell(build, desk.people, desk.logging_in, services.stop_all, front)
    return Shell(site, services, desk)


@contextmanager
def shell(data: Path, people: dict[str, Role] = PEOPLE, front: Front = FRONT) -> Iterator[Shell]:
    """In this process, for clients made by `Shell.browser`."""
    made = built(data, people, front)
    with made._running:
        yield made


@contextmanager
def served(
    data: Path, people: dict[str, Role] = PEOPLE, engine: ScriptedEngine | None = None
) -> Iterator[tuple[Shell, str]]:
    """On a port of its own, for real browsers; gives its address too."""
    made, port = built(data, people, FRONT, engine), free_port()
    config = uvicorn.Config(made.site, "127.0.0.1", port, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    try:
        yield made, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def config_of(browser: TestClient) -> dict[str, Any]:
    answer = browser.get("/config")
    assert answer.status_code == 200, answer.text
    return answer.json()


def event(config: dict[str, Any], name: str) -> dict[str, Any]:
    """The event of that name on a page."""
    return next(one for one in config["dependencies"] if one["api_name"] == name)


def call(browser: TestClient, session: str, number: int, data: list[Any]) -> httpx.Response:
    body = {"data": data, "fn_index": number, "session_hash": session}
    # As browsers write it: a half of a pair of signs is an escape, where the client's own JSON would refuse it.
    headers = {**ORIGIN, "Content-Type": "application/json"}
    return browser.post("/gradio_api/queue/join", content=json.dumps(body), headers=headers)


def outcome(browser: TestClient, session: str) -> list[dict[str, Any]]:
    """Everything that the events of a session have said, once they have ended."""
    answer = browser.get("/gradio_api/queue/data", params={"session_hash": session})
    assert answer.status_code == 200, answer.text
    return [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]


def gradio_paths() -> set[str]:
    """Every path that a Gradio app serves, with something in each gap."""

    async def mounted() -> Page:
        with gr.Blocks() as page:
            gr.Markdown("x")
        return mount(page)

    return _paths_of(asyncio.run(mounted()).app.routes)


def _paths_of(routes: list[Any], prefix: str = "") -> set[str]:
    found = set()
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if isinstance(route, Mount):
            found |= _paths_of(route.routes or [], path)
        elif hasattr(route, "methods"):
            found.add(re.sub(r"\{[^}]*\}", "1", path))
        else:
            found |= _paths_of(getattr(getattr(route, "original_router", route), "routes", []), path)
    return found
