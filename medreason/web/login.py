"""The login page and what its two forms do. Works without JavaScript; tells nobody whether a user exists."""

import html
import re
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple
from urllib.parse import parse_qs

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.logging_in import LoggingIn, TooManyTries
from medreason.web.proxied import throttled_as

Given = TypeVarTuple("Given")
Result = TypeVar("Result")

LONGEST_FORM = 16 * 1024
# Fewer are somebody's own slips.
TOLD_FROM = 3
OUR_PAGE = re.compile(r"/(\?[A-Za-z0-9_=&%.-]{0,200})?")
COOKIE, SECURE_COOKIE = "medreason", "__Host-medreason"

SHELL = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · MedReason</title><link rel="stylesheet" href="/ui/login.css"></head>
<body class="mr-login"><main><h1>MedReason</h1>{body}</main>
<footer>For research. Not medical advice, and no medical device.</footer></body></html>"""

FORM = """<p class="mr-login-lead">Log in with the name your admin gave you.</p>{said}
<form method="post" action="/login">
<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none" spellcheck="false"
 maxlength="64" required{focus_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256"
 required{focus_password}>
<input type="hidden" name="next" value="{following}">
<button type="submit">Log in</button></form>
<p class="mr-login-note">Forgot your password? An admin can give you a new one.</p>"""

FAILED = """<h2>You are logged in</h2>
<p role="status" class="mr-login-told">Since your last login, {failed} logins failed under your name. If that
was not you, tell your admin and ask for a new password.</p>
<p><a class="mr-login-go" href="{following}" autofocus>Go on</a></p>"""


class Login:
    """`needed` says whether anybody logs in here at all; `secure` whether the page is only reached encrypted."""

    def __init__(self, logging_in: LoggingIn, needed: Callable[[], bool], secure: bool):
        self._logging_in = logging_in
        self._needed = needed
        self._secure = secure
        self._cookie = SECURE_COOKIE if secure else COOKIE
        self._threads = anyio.CapacityLimiter(4)
        self.routes = [
            Route("/login", self._page, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    def who(self, request: Request) -> User | None:
        """Whose cookie this is."""
        return self._logging_in.who(request.cookies.get(self._cookie))

    async def _page(self, request: Request) -> Response:
        following = _following(request.query_params.get("next", ""))
        if not await self._in_thread(self._needed) or await self._in_thread(self.who, request) is not None:
            return RedirectResponse(following, 303)
        return _shown(_form(following))

    async def _log_in(self, request: Request) -> Response:
        form = await _form_of(request)
        if form is None:
            return _shown(_form("/", said="This form cannot be read. Try again."), 400)
        name, password = form.get("name", ""), form.get("password", "")
        following = _following(form.get("next", ""))
        address = throttled_as(request.client.host if request.client else "")
        try:
            made = await self._in_thread(self._logging_in.log_in, name, password, address)
        except TooManyTries as fault:
            told = _shown(_form(following, name, str(fault)), 429)
            told.headers["retry-after"] = str(fault.wait_s)
            return told
        except MedReasonError as fault:
            return _shown(_form(following, name, str(fault)), 401)
        answer: Response = RedirectResponse(following, 303)
        if made.failed_before >= TOLD_FROM:
            answer = _shown(FAILED.format(failed=made.failed_before, following=html.escape(following)))
        answer.set_cookie(
            self._cookie, made.token, path="/", secure=self._secure, httponly=True, samesite="strict"
        )
        return answer

    async def _log_out(self, request: Request) -> Response:
        await self._in_thread(self._logging_in.log_out, request.cookies.get(self._cookie))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(self._cookie, path="/", secure=self._secure, httponly=True, samesite="strict")
        return answer

    async def _in_thread(self, work: Callable[[*Given], Result], *given: *Given) -> Result:
        return await anyio.to_thread.run_sync(work, *given, limiter=self._threads)


async def _form_of(request: Request) -> dict[str, str] | None:
    """The fields of a form, or None for what is no such form."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_FORM:
            return None
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}


def _following(asked: str) -> str:
    """Where to go on: our page, with what was behind its question mark, and nowhere else."""
    return asked if OUR_PAGE.fullmatch(asked) else "/"


def _form(following: str, name: str = "", said: str = "") -> str:
    return FORM.format(
        said=f'<p role="alert" class="mr-login-fault">{html.escape(said)}</p>' if said else "",
        name=html.escape(name[:64]),
        following=html.escape(following),
        focus_name="" if name else " autofocus",
        focus_password=" autofocus" if name else "",
    )


def _shown(body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(SHELL.format(body=body), status, {"cache-control": "no-store"})
