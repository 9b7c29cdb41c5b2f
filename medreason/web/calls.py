"""Reads the call of an event before Gradio does: is it whole, is it one of this page's, what files does it name?
Knows no user and no role.
"""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from medreason.web.answers import UNREADABLE, parse

DEEPEST = 40
FIELDS: dict[str, type] = {
    "session_hash": str,
    "event_id": str,
    "fn_index": int,
    "trigger_id": int,
    "simple_format": bool,
    "batched": bool,
}


class BadCall(Exception):
    """The message says why, for the page."""


class UnknownEvent(BadCall):
    """No event of this page has that number or name; `named` is what was asked for."""

    def __init__(self, named: str):
        super().__init__("Your page has no such button. Reload it, then try again.")
        self.named = named


def read_call(body: bytes) -> dict[str, Any]:
    """A call whose fields are of their kinds. Raises `BadCall`."""
    try:
        given = parse(body)
    except ValueError:
        raise BadCall(UNREADABLE) from None
    if not isinstance(given, dict):
        raise BadCall(UNREADABLE)
    for field, kind in FIELDS.items():
        value = given.get(field)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise BadCall(UNREADABLE)
    return given


def event_of(page: gr.Blocks, given: dict[str, Any], api_name: str | None = None) -> str:
    """The name of the event that is called, by its number or, without one, by this name. Raises `BadCall` unless
    it is given as many values as it takes."""
    number = given.get("fn_index")
    event = page.fns.get(number) if number is not None else None
    if number is None and api_name is not None:
        event = next((one for one in page.fns.values() if one.api_name == api_name), None)
    if event is None:
        raise UnknownEvent(str(number if number is not None else api_name)[:80])
    if not isinstance(given.get("data"), list) or len(given["data"]) != len(event.inputs):
        raise BadCall(UNREADABLE)
    return str(event.api_name or event.name)


def files_of(given: dict[str, Any]) -> list[str]:
    """The paths of all files that a call hands in. Raises `BadCall` for what is nested too deeply."""
    return list(_files([given.get("data"), given.get("event_data")], DEEPEST))


def _files(value: Any, deeper: int) -> Iterator[str]:
    if isinstance(value, dict | list) and deeper == 0:
        raise BadCall(UNREADABLE)
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str):
            yield path
        elif path is not None:
            raise BadCall(UNREADABLE)
        for one in value.values():
            yield from _files(one, deeper - 1)
    elif isinstance(value, list):
        for one in value:
            yield from _files(one, deeper - 1)


def session_of(page: gr.Blocks, event: str | None) -> str | None:
    """The session that an event belongs to, until everything it said has been told there."""
    queue = page._queue
    if (known := queue.event_ids_to_events.get(event)) is not None:
        return known.session_hash
    return next((session for session, ids in queue.pending_event_ids_session.items() if event in ids), None)


def unfinished_of(page: gr.Blocks, username: str) -> int:
    """How many events of a user wait or run."""
    return sum(1 for event in page._queue.event_ids_to_events.values() if event.username == username)
