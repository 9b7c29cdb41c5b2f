"""The pages as Gradio serves them, one for each role, made when somebody of that role first asks.

A role's page holds no part of what that role may not do, so nothing of it can be called there either.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import gradio as gr
from fastapi import FastAPI, Request
from gradio.routes import App
from starlette.routing import Mount

from medreason.domain.user import Role
from medreason.ui.theme import CSS, STATIC, THEME
from medreason.web.belongings import SESSIONS_EACH
from medreason.web.open_pages import OpenPages
from medreason.web.sent_values import refuse_in_words

UPLOADS = ("file", "uploadbutton")
UPLOAD_LIMIT = 256 * 2**20
THREADS, STREAMS = 96, 64
# Gradio keeps the values of a page that was opened until so many others were opened since; by itself 10,000. More
# than one user can have, so that nobody empties another's page.
PAGES_KEPT = 2 * SESSIONS_EACH
USER = "medreason.user"


def username_of(request: Request) -> str | None:
    """Whom the gate let in."""
    user = request.scope.get(USER)
    return user.name if user is not None else None


@dataclass(frozen=True)
class Page:
    """`app` serves `blocks` at the root."""

    blocks: gr.Blocks
    app: FastAPI

    @property
    def takes_files(self) -> bool:
        return any(one.get_block_name() in UPLOADS for one in self.blocks.blocks.values())


def mount(blocks: gr.Blocks) -> Page:
    """Serve one Blocks with the launch profile of this project: no open API, no history, no monitoring."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    blocks.queue(max_size=200, api_open=False, default_concurrency_limit=16)
    # The mount takes no max_threads; these two attributes set the limiter and the queue's slots.
    blocks.max_threads = THREADS
    blocks._queue.max_thread_count = THREADS
    # What has no limit of its own, streams mostly, leaves places: a rating never waits behind answers.
    for event in blocks.fns.values():
        if event.concurrency_limit is None:
            event.concurrency_id, event.concurrency_limit = "streams", STREAMS
    blocks.state_session_capacity = PAGES_KEPT
    refuse_in_words(blocks)
    # After each event Gradio would sum up all events so far with pandas, for a page that is switched off here.
    blocks._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    blocks._queue.ANALYTICS_MAX_EVENTS = 1
    scripts = "".join(f'<script src="/ui/{script.name}" defer></script>' for script in sorted(STATIC.glob("*.js")))
    gr.mount_gradio_app(
        app,
        blocks,
        "/",
        auth_dependency=username_of,
        run_history=False,
        footer_links=[],
        show_error=False,
        enable_monitoring=False,
        max_file_size=UPLOAD_LIMIT,
        theme=THEME,
        css=CSS,
        head=scripts,
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
    )
    _keep_little(blocks, app)
    return Page(blocks, app)


def _keep_little(blocks: gr.Blocks, app: FastAPI) -> None:
    """Let the app that Gradio has mounted keep only what is used here of each page that is open."""
    mounted = next(route.app for route in app.routes if isinstance(route, Mount) and isinstance(route.app, App))
    mounted.state_holder = OpenPages()
    mounted.state_holder.set_blocks(blocks)


class Pages:
    """`build` makes the page of a role. Made in the event loop, one after the other: Gradio keeps what is being
    built in globals. Each runs from then on until `close`."""

    def __init__(self, build: Callable[[Role], gr.Blocks]):
        self._build = build
        self._pages: dict[Role, Page] = {}
        self._making = asyncio.Lock()
        self._ending = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    async def of(self, role: Role) -> Page:
        if role not in self._pages:
            async with self._making:
                if role not in self._pages:
                    page = mount(self._build(role))
                    await self._run(page.app)
                    self._pages[role] = page
        return self._pages[role]

    async def prepare(self, roles: Iterable[Role]) -> None:
        for role in roles:
            await self.of(role)

    async def close(self) -> None:
        self._ending.set()
        await asyncio.gather(*self._running)

    async def _run(self, app: FastAPI) -> None:
        """Enter the app's lifespan in a task of its own, which leaves it too."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def stay() -> None:
            async with app.router.lifespan_context(app):
                ready.set_result(None)
                await self._ending.wait()

        self._running.append(asyncio.create_task(stay()))
        await ready


def of_one(blocks: gr.Blocks) -> Callable[[Role], gr.Blocks]:
    """The same page whatever the role."""
    return lambda _: blocks
