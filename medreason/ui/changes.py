"""Sends to a page only what has changed: each component's look has a key, and equal keys need no update."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gradio as gr


class Shown(NamedTuple):
    """How one component looks: what decides it, and how to make the update."""

    key: Any
    make: Callable[[], Any]


def words(text: str) -> Shown:
    """A component whose value is a text."""
    return Shown(text, lambda: text)


def looks(kind: type, **given: Any) -> Shown:
    """A component with some of its settings given."""
    return Shown(tuple(given.items()), lambda: kind(**given))


def all_of(shown: Sequence[Shown]) -> list[Any]:
    """Updates of all, and their keys as the last value, to be handed to `changed_of` the next time."""
    return [*(one.make() for one in shown), [one.key for one in shown]]


def changed_of(shown: Sequence[Shown], last: Sequence[Any]) -> list[Any]:
    """Updates of those whose key is another than `last`, and the new keys as the last value."""
    before = last if len(last) == len(shown) else [object()] * len(shown)
    made = [one.make() if one.key != old else gr.skip() for one, old in zip(shown, before, strict=True)]
    return [*made, [one.key for one in shown]]
