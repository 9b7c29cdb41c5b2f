"""Showings for tests that draw or read a sheet: real values, no store."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from medreason.domain.answers import Answer
from medreason.domain.items import Instrument, Phase
from medreason.services.session_views import ShowingView, SideText, side_text


def side(answer: str = "Gout 🦶.", thinking: str = "Hm.\n\nUric acid.", shown: bool = True) -> SideText:
    return side_text(Answer(thinking, answer), shown)


def showing(**given: Any) -> ShowingView:
    """An Essential showing of one case, or what `given` makes of it. Before the lock no thinking is shown."""
    shown = given.get("phase") is not Phase.ANSWER_ONLY
    basis = ShowingView(
        showing_id=7,
        study="pilot",
        title="Nephrology pilot",
        instrument=Instrument.ESSENTIAL,
        position=8,
        total=40,
        minutes_left=25,
        practice=False,
        case_text="A toe hurts.",
        specialty="",
        asks_own_answer=False,
        own_answer="",
        phase=Phase.WITH_TRACE,
        locked=None,
        previous=None,
        revision_no=0,
        left=side(shown=shown),
        right=side(shown=shown),
    )
    return replace(basis, **given)


class Tags(HTMLParser):
    """The elements, attributes and words of some markup."""

    def __init__(self, markup: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """Attributes of every `tag` whose attributes hold `wanted` (`data_q` stands for `data-q`)."""
        names = {name.replace("_", "-"): value for name, value in wanted.items()}
        return [a for t, a in self.elements if t == tag and all(a.get(n) == v for n, v in names.items())]

    def data(self, name: str) -> list[Any]:
        """What is in an attribute as JSON, wherever it is."""
        return [json.loads(a[name] or "") for _, a in self.elements if name in a]
