"""Who is asking, and the one place where a fault becomes a sentence on the page."""

import functools
import inspect
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from medreason.domain.user import User
from medreason.errors import MedReasonError, NotAllowed
from medreason.services.services import Services

log = logging.getLogger(__name__)

REFUSED = "medreason.refused"
"""Where `web` leaves a function, in the scope of a request, that notes what somebody was refused."""
UNEXPECTED = "Something went wrong here, and it was written to the log. What you typed is kept; try again."


class Asking:
    """Turns a request into the user who made it. `web` decides the name, never Gradio's session."""

    def __init__(self, services: Services):
        self._services = services

    def user(self, request: gr.Request) -> User:
        return self._services.people.current_user(request.username)


def shown(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a callback so that an expected fault is shown as its sentence, and any other as a plain one
    with its traceback in the log. Works for functions, coroutines and async generators."""

    def as_error(fault: Exception, given: tuple[Any, ...]) -> gr.Error:
        if isinstance(fault, gr.Error):
            return fault
        if isinstance(fault, NotAllowed):
            _note(callback.__name__, given)
        if isinstance(fault, MedReasonError):
            return gr.Error(str(fault), title="This did not work", duration=None, print_exception=False)
        log.error("A callback failed", exc_info=fault)
        return gr.Error(UNEXPECTED, title="This did not work", duration=None, print_exception=False)

    if inspect.isasyncgenfunction(callback):

        @functools.wraps(callback)
        async def streamed(*args: Any, **kwargs: Any) -> Any:
            try:
                async with aclosing(callback(*args, **kwargs)) as updates:  # a closed page ends it at once
                    async for update in updates:
                        yield update
            except Exception as fault:
                raise as_error(fault, args) from None

        return streamed
    if inspect.iscoroutinefunction(callback):

        @functools.wraps(callback)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            try:
                return await callback(*args, **kwargs)
            except Exception as fault:
                raise as_error(fault, args) from None

        return awaited

    @functools.wraps(callback)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except Exception as fault:
            raise as_error(fault, args) from None

    return called


def _note(what: str, given: tuple[Any, ...]) -> None:
    """Let whoever served the request put it into the audit that a role was refused this."""
    for one in given:
        if isinstance(one, gr.Request):
            note = getattr(one.request, "scope", {}).get(REFUSED)
            if note is not None:
                note(f"event {what}")
