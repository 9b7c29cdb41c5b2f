"""All parts of the Compare tab in one order, and what they show at each moment of a conversation."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from medreason.domain.user import User
from medreason.services.pair_view import PairView
from medreason.services.services import Services
from medreason.ui import conversation_list, render
from medreason.ui.compare_columns import Columns
from medreason.ui.compare_controls import Controls
from medreason.ui.compare_model import ModelLine
from medreason.ui.compare_versions import EarlierVersions
from medreason.ui.conversation_list import ConversationPanel
from medreason.ui.sampling_form import SamplingForm


class CompareView:
    """`outputs` are what every update of a conversation sets: who and what is open, the question box, the buttons,
    the columns, the versions of earlier questions, the seed, the list of conversations."""

    def __init__(self, services: Services, blind_only: bool = False):
        self._services = services
        self.model = ModelLine(services.serving)
        self.controls, self.form, self.kept = Controls(), SamplingForm(), ConversationPanel()
        self.columns = Columns(self.model.detail, blind_only)
        self.versions = EarlierVersions()
        self.conversation_id, self.pair_id, self.editing = gr.State(None), gr.State(None), gr.State(False)
        self.refusal = gr.State("")
        self.question: gr.Textbox

    @property
    def streamed(self) -> list[Any]:
        """The outputs of a stream of answers: what was begun, why not, and what has been said."""
        return [self.pair_id, self.refusal, *self.columns.growing]

    @property
    def outputs(self) -> list[Any]:
        return [
            *(self.conversation_id, self.pair_id, self.editing, self.question),
            *(*self.controls.components, *self.columns.components, *self.versions.components),
            *(self.form.seed, *self.kept.components),
        ]

    def begun(self, user: User, turns: Sequence[PairView], seed: int, typed: Any) -> list[Any]:
        """A question has just been put; `turns` end with it. `typed` is what the question box shall hold. What is
        said by now is left to the stream that follows it."""
        now = turns[-1]
        states = [now.conversation_id, gr.skip(), False, typed]
        drawn = self.columns.show(turns)[: -len(self.columns.growing)]
        words = [gr.skip()] * len(self.columns.growing)
        after = [gr.skip()] * len(self.kept.components)
        older = self._versions(user, turns, reading_on=True)
        return [*states, *self.controls.running(now), *drawn, *words, *older, seed, *after]

    def kept_as_is(self) -> list[Any]:
        return [gr.skip()] * len(self.outputs)

    def ended(self, user: User, turns: Sequence[PairView], typed: Any, *, reading_on: bool = False) -> list[Any]:
        """Nothing more will come; a page that opens such a conversation shows the same. `reading_on` where it was
        open before, so that a version of an earlier question that is being read stays."""
        now = turns[-1]
        states = [now.conversation_id, now.pair_id, False, typed]
        drawn = [*self.controls.ended(now), *self.columns.show(turns), *self._versions(user, turns, reading_on)]
        return [*states, *drawn, gr.skip(), *self._listed(user, now.conversation_id)]

    def blank(self, user: User, typed: Any) -> list[Any]:
        """A new conversation."""
        drawn = [*self.controls.blank(), *self.columns.empty(), *self.versions.listed((), reading_on=False)]
        return [None, None, False, typed, *drawn, gr.skip(), *self._listed(user, None)]

    def refused(self, reason: object) -> list[Any]:
        """Only the line changes, so that nothing typed is lost."""
        line = self.controls.said(render.fault(str(reason)))
        after = [gr.skip()] * (1 + len(self.kept.components))
        return [*[gr.skip()] * 4, *line, *self.columns.kept(), *self.versions.kept_as_is(), *after]

    def _versions(self, user: User, turns: Sequence[PairView], reading_on: bool) -> list[Any]:
        return self.versions.listed(self._services.conversations.versions_before(user, turns), reading_on)

    def _listed(self, user: User, opened: int | None) -> list[Any]:
        return conversation_list.listed(self._services.conversations.listed(user), opened)
