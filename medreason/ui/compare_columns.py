"""The last question and what both sides say to it; earlier turns behind a fold. Says what each part shows."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from medreason.domain.arms import SIDES, Arm, Side
from medreason.services.pair_view import PairView
from medreason.ui import answer_view

OPENING = dict(zip(SIDES, (Arm.BASELINE, Arm.FINETUNED), strict=True))
EMPTY = '<p class="mr-empty">The answer will appear here, its thinking in a block of its own above it.</p>'


class Columns:
    """`detail` tells what of an arm stands in its column's head. With `blind_only` no model is ever named, and the
    empty columns are left and right."""

    def __init__(self, detail: Callable[[Arm], str], blind_only: bool = False):
        self._detail = detail
        self._blind_only = blind_only
        self.heads: dict[Side, gr.Markdown] = {}
        self.empties: dict[Side, gr.Markdown] = {}
        self.folds: dict[Side, gr.Accordion] = {}
        self.chats: dict[Side, gr.Chatbot] = {}
        self.answers: dict[Side, gr.Markdown] = {}
        self.origins: dict[Side, gr.Markdown] = {}

    def build(self) -> None:
        plain: dict[str, Any] = {"sanitize_html": False, "latex_delimiters": []}
        self.asked = gr.Markdown("", **plain)
        self.carrier = gr.Markdown("", **plain, elem_classes="mr-carrier")
        gr.Markdown(answer_view.switch("Sides shown on a narrow screen"), **plain)
        with gr.Row(elem_classes="mr-pair", equal_height=False):
            for number, side in enumerate(SIDES, 1):
                with gr.Column(min_width=360, elem_id=f"side-{number}", elem_classes="mr-side"):
                    self.heads[side] = gr.Markdown(self._opening(side), **plain)
                    with gr.Accordion("Earlier questions", open=False, visible=False) as self.folds[side]:
                        self.chats[side] = gr.Chatbot(
                            label=f"Earlier questions, {side}",
                            show_label=False,
                            height=420,
                            buttons=["copy"],
                            feedback_options=None,
                            elem_classes="mr-chat",
                        )
                    self.empties[side] = gr.Markdown(EMPTY, **plain)
                    gr.Markdown(f'<div class="mr-thought" id="thought-{number}" hidden></div>', **plain)
                    self.answers[side] = gr.Markdown("", elem_classes="mr-answer", container=False)
                    gr.Markdown(f'<div class="mr-under" id="under-{number}"></div>', **plain)
                    with gr.Accordion(f"What answered on the {side.value}", open=False, elem_classes="mr-origin"):
                        self.origins[side] = gr.Markdown(answer_view.what_answered(None, side), **plain)

    @property
    def components(self) -> list[Any]:
        parts: list[dict[Side, Any]] = [self.heads, self.folds, self.chats, self.empties, self.origins]
        return [self.asked, *(part[side] for part in parts for side in SIDES), *self.growing]

    @property
    def growing(self) -> list[Any]:
        """What changes from word to word: few, because the page searches all of itself for each of them."""
        return [self.carrier, *(self.answers[side] for side in SIDES)]

    def kept(self) -> list[Any]:
        """Updates that leave everything as it is."""
        return [gr.skip()] * len(self.components)

    def empty(self) -> list[Any]:
        """Before anything was asked."""
        heads = [self._opening(side, self._detail(OPENING[side])) for side in SIDES]
        folds = [gr.Accordion(visible=False)] * 2
        return ["", *heads, *folds, [], [], EMPTY, EMPTY, *self._origins(None), *self.words(None)]

    def show(self, turns: Sequence[PairView]) -> list[Any]:
        """A conversation whose last turn may still be going on."""
        *earlier, now = turns
        name = f"Earlier questions ({len(earlier)})"
        folds = [gr.Accordion(label=name, visible=bool(earlier)) for _ in SIDES]
        chats = [answer_view.column(earlier, side) for side in SIDES]
        heads = [self._head(now, side) for side in SIDES]
        asked = answer_view.question(now)
        return [asked, *heads, *folds, *chats, "", "", *self._origins(now), *self.words(now)]

    def words(self, pair: PairView | None) -> list[str]:
        """What `growing` shows."""
        return [answer_view.carrier(pair), *(answer_view.answer(pair, side) for side in SIDES)]

    def _origins(self, pair: PairView | None) -> list[str]:
        return [answer_view.what_answered(None if self._blind_only else pair, side) for side in SIDES]

    def _opening(self, side: Side, detail: str = "") -> str:
        return answer_view.heading(side, None if self._blind_only else OPENING[side], detail)

    def _head(self, pair: PairView, side: Side) -> str:
        arm = pair.side(side).arm
        return answer_view.heading(side, arm, self._detail(arm) if arm and not self._blind_only else "")
