"""Versions of earlier questions, to be read: a list behind a fold, and below it the one that was chosen.

Looking changes nothing: what followed stays built on the version that was kept, and the list says which that is.
Nothing here is an output of a stream.
"""

import html
import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from medreason.domain.arms import SIDES, Side
from medreason.services.conversations import VersionLine
from medreason.services.pair_view import PairView
from medreason.ui import answer_view
from medreason.ui.case_picker import short

FOLD = "Other versions of earlier questions"
HOW = "To read only. What you asked afterwards was built on the version marked as kept, and stays so."
READ = 1 + 3 * len(SIDES)  # how many components show the version that was chosen


class EarlierVersions:
    def __init__(self) -> None:
        self.tops: dict[Side, gr.Markdown] = {}
        self.answers: dict[Side, gr.Markdown] = {}
        self.feet: dict[Side, gr.Markdown] = {}

    def build(self) -> None:
        plain: dict[str, Any] = {"sanitize_html": False, "latex_delimiters": []}
        with gr.Accordion(FOLD, open=False, visible=False, elem_classes="mr-versions") as self.fold:
            self.choice = gr.Dropdown(
                [],
                value=None,
                label="Version to read",
                info=HOW,
                elem_id="version-to-read",
                elem_classes="mr-pick",
            )
            self.asked = gr.Markdown("", **plain)
            gr.Markdown(answer_view.switch("Sides of this version shown on a narrow screen"), **plain)
            with gr.Row(elem_classes="mr-pair", equal_height=False, elem_id="version-pair"):
                for side in SIDES:
                    with gr.Column(min_width=360, elem_classes="mr-side"):
                        self.tops[side] = gr.Markdown("", **plain)
                        self.answers[side] = gr.Markdown("", elem_classes="mr-answer", container=False)
                        self.feet[side] = gr.Markdown("", **plain)

    @property
    def components(self) -> list[Any]:
        return [self.fold, self.choice, *self.read]

    @property
    def read(self) -> list[Any]:
        """The version that was chosen."""
        return [self.asked, *(part[side] for side in SIDES for part in (self.tops, self.answers, self.feet))]

    def listed(self, lines: Sequence[VersionLine], reading_on: bool) -> list[Any]:
        """Updates of `components`. With `reading_on` the version that is being read stays where it is, for the
        conversation is the same."""
        others = sum(not line.kept for line in lines)
        label, choices = f"{FOLD} ({others})", [(label_of(line), line.pair_id) for line in lines]
        if reading_on:
            shown = [gr.Accordion(label=label, visible=bool(others)), gr.Dropdown(choices)]
            return [*shown, *[gr.skip()] * READ]
        return [
            gr.Accordion(label=label, visible=bool(others), open=False),
            gr.Dropdown(choices, value=None),
            *self.nothing(),
        ]

    def kept_as_is(self) -> list[Any]:
        return [gr.skip()] * len(self.components)

    def nothing(self) -> list[Any]:
        """No version is being read."""
        return [""] * READ

    def show(self, pair: PairView, kept: int) -> list[Any]:
        """Updates of `read`. `kept` is the number of the version that later questions were asked on from."""
        sides = ((top(pair, side), answer_view.answer(pair, side), foot(pair, side)) for side in SIDES)
        return [asked(pair, kept), *(part for parts in sides for part in parts)]


def label_of(line: VersionLine) -> str:
    kept = ", kept" if line.kept else ""
    return f"Question {line.turn}, version {line.version} of {line.versions}{kept} · {short(line.question)}"


def asked(pair: PairView, kept: int) -> str:
    """Which version is read, what it means for the conversation, and what was asked."""
    if pair.version == kept:
        meaning = "This is the version that was kept: your later questions were built on it."
    else:
        meaning = f"An older version, to read only: your later questions were built on version {kept}."
    how = ", continued" if pair.continued else ""
    name = f"Question {pair.turn}, version {pair.version} of {pair.versions}{how}"
    return (
        f'<div class="mr-asked"><b>{name}</b> <span class="mr-note" role="status">{meaning}</span>'
        f"<p>{answer_view.line(pair.question)}</p></div>"
    )


def top(pair: PairView, side: Side) -> str:
    """Head of one side and its thinking, folded."""
    view = pair.side(side)
    head = answer_view.heading(side, view.arm)
    if not view.answer.thought:
        return head
    title, name = answer_view.thought_title(view), f"Thinking on the {side.value}, earlier version"
    return (
        f'{head}<details class="mr-read mr-read-thinking"><summary>{html.escape(title)}</summary>'
        f'<div class="mr-words" tabindex="0" role="region" aria-label="{name}">'
        f"<p>{answer_view.line(view.answer.thinking)}</p></div></details>"
    )


def foot(pair: PairView, side: Side) -> str:
    """How one side ended, and what produced it where that may be known."""
    told = answer_view.ending(pair, side)
    fault = f'<span class="mr-fault">{answer_view.line(told["fault"])}</span>' if told["fault"] else ""
    chips = "".join(f'<span class="mr-chip">{html.escape(one)}</span>' for one in json.loads(told["badges"]))
    figures = f"<span>{html.escape(told['figures'])}</span>" if told["figures"] else ""
    ended = f'<div class="mr-under">{fault}{chips}{figures}</div>'
    if pair.side(side).provenance is None:
        return ended
    return (
        f'{ended}<details class="mr-read"><summary>What answered on the {side.value}</summary>'
        f"{answer_view.what_answered(pair, side)}</details>"
    )
