"""Lets a request through to the page of whoever asks, if it is one that the page needs and all it names is theirs.

Everything that is not listed here is not there. Knows no cookie: `who` says who asks.
"""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import anyio
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import Message, Receive, Scope, Send

from medreason.domain.user import User
from medreason.ui.asking import REFUSED
from medreason.web.answers import NOT_LOGGED_IN, NOTHING_HERE, refusal
from medreason.web.belongings import Belongings
from medreason.web.bodies import again, whole
from medreason.web.calls import BadCall, UnknownEvent, event_of, files_of, read_call, session_of, unfinished_of
from medreason.web.pages import USER, Page, Pages
from medreason.web.streams import serve_while

API = "/gradio_api"
ANSWERS = f"{API}/queue/data"
READS = ("GET", "HEAD")
OPEN_TO_USERS = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/pwa_icon(/\d+)?"
    r"|/(static|assets|svelte)/.*"
    rf"|{API}/(info|app_id|startup-events|theme\.css)/?|{API}/upload_progress"
)
CALL = re.compile(rf"{API}/(?:queue/join|(?:run|api)/(?P<name>[^/]+))/?")
HEARTBEAT = re.compile(rf"{API}/heartbeat/(?P<session>[^/]*)")
FILE = re.compile(rf"{API}/file=(?P<path>.*)", re.DOTALL)
MADE_FILE = re.compile(rb'"path":\s?("(?:[^"\\]|\\.)+")')
KEPT_BY_BROWSERS = ("/assets/", "/static/", "/svelte/")
UNFINISHED_EACH = 24
LONGEST_NAME = 255
LOOKED_EVERY_S = 0.8

NOT_YOURS = "This page belongs to somebody else, or your role was changed. Reload it."
NO_FILE = "This file is not yours, or it is no longer there. Reload the page."
TOO_MUCH = "You have too much waiting here already. Wait a moment, then try again."


class Gate:
    """`who` tells who asks; `refused` notes what somebody asked for that is not theirs. `shared_by_all`: whether
    everybody is this user, who then may fill the queue alone."""

    def __init__(
        self,
        pages: Pages,
        who: Callable[[Request], User | None],
        refused: Callable[[User, str], None],
        shared_by_all: Callable[[User], bool] = lambda _: False,
    ):
        self._pages = pages
        self._who = who
        self._refused = refused
        self._shared_by_all = shared_by_all
        self._belongings = Belongings()
        self._threads = anyio.CapacityLimiter(8)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        user = await anyio.to_thread.run_sync(self._who, Request(scope), limiter=self._threads)
        if user is None:
            await _stranger(scope)(scope, receive, send)
            return
        page = await self._pages.of(user.role)
        visit = Visit(user, page, self._belongings)
        send = _not_kept(scope, send)
        scope[USER], scope[REFUSED] = user, partial(self._refused, user)
        try:
            receive, send = await visit.admitted(scope, receive, send, self._shared_by_all(user))
        except Refused as no:
            if no.noted:
                await anyio.to_thread.run_sync(self._refused, user, no.noted, limiter=self._threads)
            await no.answer(scope)(scope, receive, send)
            return
        if scope["path"] != ANSWERS:
            await page.app(scope, receive, send)
            return

        async def still() -> bool:
            return await anyio.to_thread.run_sync(self._who, Request(scope), limiter=self._threads) == user

        # With the login the answers end that its page was reading, as if the page were closed.
        await serve_while(still, LOOKED_EVERY_S, page.app, scope, receive, send)


class Refused(Exception):
    """`noted` is what the audit is told, where somebody asked for what is not theirs."""

    def __init__(self, sentence: str, status: int, noted: str = ""):
        super().__init__(sentence)
        self.status = status
        self.noted = noted

    def answer(self, scope: Scope) -> JSONResponse:
        return refusal(scope, str(self), self.status)  # type: ignore[return-value]


class Visit:
    """One request of one user to their page."""

    def __init__(self, user: User, page: Page, belongings: Belongings):
        self._user, self._page, self._belongings = user, page, belongings
        self._owner = (user.id, user.role)

    async def admitted(self, scope: Scope, receive: Receive, send: Send, unbounded: bool) -> tuple[Receive, Send]:
        """What the page shall read from and write to. Raises `Refused`."""
        method, path = scope["method"], scope["path"]
        if method in READS:
            return receive, self._read(scope, path, send)
        if method != "POST":
            raise Refused(NOTHING_HERE, 405)
        if call := CALL.fullmatch(path):
            body = await whole(receive)
            self._call(body, call["name"], unbounded)
            return again(body, receive), send
        if path in (f"{API}/cancel", f"{API}/cancel/"):
            body = await whole(receive)
            self._cancel(body)
            return again(body, receive), send
        if path in (f"{API}/upload", f"{API}/upload/"):
            if not self._page.takes_files:
                raise Refused("Your role takes no files.", 403, "upload")
            return receive, self._owning_upload(send)
        if path in (f"{API}/reset", f"{API}/reset/"):
            body = await whole(receive)
            self._given(body)
            return again(body, receive), send
        raise Refused(NOTHING_HERE, 404, self._known(path))

    def _read(self, scope: Scope, path: str, send: Send) -> Send:
        if any(len(part.encode("utf-8", "replace")) > LONGEST_NAME for part in path.split("/")):
            raise Refused(NOTHING_HERE, 404)  # no disk has such names
        if OPEN_TO_USERS.fullmatch(path):
            return send
        if path == ANSWERS:
            asked = QueryParams(scope["query_string"]).getlist("session_hash")
            if len(asked) != 1:  # of several, one would be looked at here and another used behind
                raise Refused(NOTHING_HERE, 404)
            self._own_session(asked[0], "answers of a session")
            return self._owning_made(send)
        if beat := HEARTBEAT.fullmatch(path):
            self._own_session(beat["session"], "session")
            return send
        if file := FILE.fullmatch(path):
            if not self._belongings.has(file["path"], self._owner):
                raise Refused(NO_FILE, 403, "file")
            return send
        raise Refused(NOTHING_HERE, 404, self._known(path))

    def _call(self, body: bytes, name: str | None, unbounded: bool) -> None:
        try:
            given = read_call(body)
            self._own_session(given.get("session_hash"), "event in a session")
            event, files = event_of(self._page.blocks, given, name), files_of(given)
        except UnknownEvent as fault:
            raise Refused(str(fault), 403, f"event {fault.named}") from None
        except BadCall as fault:
            raise Refused(str(fault), 400) from None
        if not all(self._belongings.has(path, self._owner) for path in files):
            raise Refused(NO_FILE, 403, f"file for event {event}")
        if not unbounded and unfinished_of(self._page.blocks, self._user.name) >= UNFINISHED_EACH:
            raise Refused(TOO_MUCH, 503)

    def _cancel(self, body: bytes) -> None:
        given = self._given(body)
        session = given.get("session_hash")
        self._own_session(session, "cancel")
        if session_of(self._page.blocks, given.get("event_id")) not in (None, session):
            raise Refused(NOT_YOURS, 403, "cancel")

    @staticmethod
    def _given(body: bytes) -> dict[str, Any]:
        try:
            return read_call(body)
        except BadCall as fault:
            raise Refused(str(fault), 400) from None

    def _own_session(self, session: str | None, what: str) -> None:
        if not self._belongings.claim(session, self._owner):
            raise Refused(NOT_YOURS, 403, what)

    @staticmethod
    def _known(path: str) -> str:
        """What to note of a door that is shut here: those that would call something."""
        return path[:80] if path.startswith((f"{API}/call", f"{API}/stream", f"{API}/component_server")) else ""

    def _owning_made(self, send: Send) -> Send:
        """Files that an event hands out belong to whom they are handed."""

        async def sent(message: Message) -> None:
            body = message.get("body", b"")
            if b'"path":' in body:
                for found in MADE_FILE.findall(body):
                    self._belongings.give(json.loads(found), self._owner)
            await send(message)

        return sent

    def _owning_upload(self, send: Send) -> Send:
        """Files that were uploaded belong to whoever did it, from before they hear of it."""
        kept = bytearray()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.body":
                kept.extend(message.get("body", b""))
                if not message.get("more_body"):
                    self._own_all(bytes(kept))
            await send(message)

        return sent

    def _own_all(self, listed: bytes) -> None:
        try:
            paths = json.loads(listed)
        except ValueError:  # a refusal in words
            return
        for path in paths if isinstance(paths, list) else ():
            if isinstance(path, str):
                self._belongings.give(path, self._owner)


def _stranger(scope: Scope) -> JSONResponse | RedirectResponse:
    """Whoever opens the page is led to the login; all else learns nothing."""
    wants_page = "text/html" in Headers(scope=scope).get("accept", "")
    if scope["method"] == "GET" and scope["path"] == "/" and wants_page:
        asked = scope["query_string"].decode("latin-1")
        return RedirectResponse("/login" + (f"?next={quote('/?' + asked, safe='')}" if asked else ""), 303)
    return refusal(scope, NOT_LOGGED_IN, 401)  # type: ignore[return-value]


def _not_kept(scope: Scope, send: Send) -> Send:
    """What belongs to a login stays in no cache of a browser that others use; what the page is made of may."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["cache-control"] = "no-store"
        await send(message)

    return send if scope["path"].startswith(KEPT_BY_BROWSERS) else sent
