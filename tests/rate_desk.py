"""The Rate tab in process: its callbacks by name, on the real services, without a browser."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import gradio as gr

from medreason.domain.arms import SIDES
from medreason.domain.items import REQUIRED, Instrument, Phase
from medreason.ui import rate
from tests.showings import Tags
from tests.studies import StudyDesk


class RateDesk:
    """One person at the page. `screen` is what they see, `said` the last reply."""

    def __init__(self, desk: StudyDesk, rater: str):
        self.desk, self.rater = desk, rater
        services = SimpleNamespace(rating=desk.rating, sessions=desk.sessions)
        ask = SimpleNamespace(user=lambda request: desk.local)

        async def make() -> gr.Blocks:  # inside a running loop, or gradio makes one of its own and leaves it open
            with gr.Blocks(analytics_enabled=False) as blocks:
                self.tab = rate.build(services, ask)  # type: ignore[arg-type]
            return blocks

        self.blocks = asyncio.run(make())
        self.by_name = {fn.name: fn.fn for fn in self.blocks.fns.values()}
        self.screen = self.said = self.place = ""
        self.act("named")

    def act(self, act: str, **asked: Any) -> "RateDesk":
        sent = {"act": act, "n": 1, "rater": self.rater, **asked}
        return self._take(self.by_name["act"](gr.Request(), json.dumps(sent), self.place))

    def keep(self, **sent: Any) -> Any:
        return asyncio.run(self.by_name["keep"](gr.Request(), json.dumps({"rater": self.rater, **sent})))

    def _take(self, updates: list[Any]) -> "RateDesk":
        screen, self.said, place = updates
        self.screen = self.screen if screen == gr.skip() else screen
        self.place = self.place if place == gr.skip() else place
        return self

    @property
    def tags(self) -> Tags:
        return Tags(self.screen)

    @property
    def form(self) -> dict[str, Any]:
        return self.tags.data("data-sheet")[0]

    @property
    def showing(self) -> int:
        return int(self.tags.data("data-place")[0]["showing"])

    @property
    def heading(self) -> str:
        return self.tags.text.split("about")[0]

    def save(self, **changed: Any) -> "RateDesk":
        """Fill what the open sheet asks for, and save it."""
        return self.act(
            "save", study="pilot", showing=self.showing, form={**self.form, **whole(self.form), **changed}
        )


def whole(form: dict[str, Any]) -> dict[str, Any]:
    """Answers to everything that is required in the form's phase."""
    answer_only = "answer_only" in form["sheet"]
    asked = (
        REQUIRED[Instrument.FULL, Phase.ANSWER_ONLY]
        if answer_only
        else (*REQUIRED[Instrument.ESSENTIAL, Phase.WITH_TRACE],)
    )
    chosen = {f"{side}:{item.id}": str(min(item.highest, 2)) for side in SIDES for item in asked}
    if not answer_only:
        chosen |= {f"{side}:none_found": "1" for side in SIDES}
        chosen |= {"preferred:overall": "1"}
    return {"q": {**form["q"], **chosen}}
