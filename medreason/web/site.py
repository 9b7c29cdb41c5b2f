"""Builds the ASGI app: the login, own static files, and behind the gate each role's page, all behind the guard."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import gradio as gr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from medreason.domain.user import Role, User
from medreason.services.logging_in import LoggingIn
from medreason.services.people import LOCAL_NAME, PeopleService
from medreason.settings import EVERY_ADDRESS, AppSettings
from medreason.ui.theme import STATIC
from medreason.web.answers import PlainFaults
from medreason.web.gate import Gate
from medreason.web.guard import Guard, Hosts
from medreason.web.login import Login
from medreason.web.pages import UPLOAD_LIMIT, Pages
from medreason.web.proxied import Proxied, Proxy

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
BODY_LIMIT = 4 * 2**20
# Training data come as files; this holds the 19,704 rows of the reasoning data several times.
UPLOAD_PATH = "/gradio_api/upload"
ANYBODY = User(1, LOCAL_NAME, Role.ADMIN)


@dataclass(frozen=True)
class Front:
    """How the site is reached. `exposed`: by others than this computer, so that everybody logs in. `secure`: by
    https alone."""

    hosts: Hosts = Hosts(LOOPBACK)
    proxy: Proxy | None = None
    secure: bool = False
    exposed: bool = False


def front_of(settings: AppSettings) -> Front:
    network = settings.proxy_network
    return Front(
        Hosts(settings.hosts, any_address=settings.host in EVERY_ADDRESS),
        Proxy(settings.public_url.rstrip("/"), network) if network is not None else None,
        secure=settings.encrypted,
        exposed=settings.exposed,
    )


def build_site(page: gr.Blocks, at_shutdown: Callable[[], None], hosts: frozenset[str] = LOOPBACK) -> ASGIApp:
    """One page for everybody who reaches it, all of them the local user. `at_shutdown` runs when the server stops,
    since a stream's `finally` may not."""
    pages = Pages(lambda _: page)
    gate = Gate(pages, lambda _: ANYBODY, lambda *_: None, shared_by_all=lambda _: True)
    return _site(pages, gate, (), (Role.ADMIN,), at_shutdown, Front(Hosts(hosts)))


def build_shell(
    build: Callable[[Role], gr.Blocks],
    people: PeopleService,
    logging_in: LoggingIn,
    at_shutdown: Callable[[], None],
    front: Front,
) -> ASGIApp:
    """The whole site: each role's page as `build` makes it, for those who have logged in, or for the local admin
    where nobody logs in yet."""
    pages = Pages(build)

    def needed() -> bool:
        return front.exposed or people.login_needed

    login = Login(logging_in, needed, front.secure)

    def who(request: Request) -> User | None:
        return login.who(request) if needed() else people.operator()

    def local(user: User) -> bool:
        return user.name == LOCAL_NAME

    gate = Gate(pages, who, people.note_refusal, shared_by_all=local)
    first = sorted(people.roles_in_use()) if needed() else [Role.ADMIN]
    return _site(pages, gate, login.routes, first, at_shutdown, front)


def _site(
    pages: Pages,
    gate: Gate,
    routes: Iterable[BaseRoute],
    first: Iterable[Role],
    at_shutdown: Callable[[], None],
    front: Front,
) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await pages.prepare(first)
        yield
        at_shutdown()
        await pages.close()

    return Starlette(
        routes=[*routes, Mount("/ui", StaticFiles(directory=STATIC)), Mount("/", gate)],
        lifespan=lifespan,
        middleware=[
            Middleware(Proxied, front.proxy, front.hosts.names),
            Middleware(
                Guard,
                hosts=front.hosts,
                body_limit=BODY_LIMIT,
                larger={UPLOAD_PATH: UPLOAD_LIMIT},
                secure=front.secure,
            ),
            Middleware(PlainFaults),
        ],
    )
