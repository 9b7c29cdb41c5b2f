"""Builds the ASGI app: own static files, then the Gradio page mounted behind the guard."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import gradio as gr
from fastapi import FastAPI, Request
from starlette.staticfiles import StaticFiles

from medreason.ui.theme import CSS, STATIC, THEME
from medreason.web.guard import Guard

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
BODY_LIMIT = 4 * 2**20
THREADS = 96
LOCAL_USER = "local"


def user_of(request: Request) -> str:
    """Who is asking. Served on loopback only, so everybody who reaches the page is the local user."""
    return LOCAL_USER


def build_site(page: gr.Blocks, at_shutdown: Callable[[], None], hosts: frozenset[str] = LOOPBACK) -> FastAPI:
    """The whole site; `at_shutdown` runs when the server stops, since a stream's `finally` may not."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        at_shutdown()

    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    site.mount("/ui", StaticFiles(directory=STATIC), name="ui")
    page.queue(max_size=200, api_open=False, default_concurrency_limit=16)
    # The mount takes no max_threads; these two attributes set the limiter and the queue's slots.
    page.max_threads = THREADS
    page._queue.max_thread_count = THREADS
    scripts = "".join(f'<script src="/ui/{script.name}" defer></script>' for script in sorted(STATIC.glob("*.js")))
    mounted = gr.mount_gradio_app(
        site,
        page,
        "/",
        auth_dependency=user_of,
        run_history=False,
        footer_links=[],
        show_error=False,
        enable_monitoring=False,
        max_file_size="2mb",
        theme=THEME,
        css=CSS,
        head=scripts,
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
    )
    mounted.add_middleware(Guard, hosts=hosts, body_limit=BODY_LIMIT)
    return mounted
