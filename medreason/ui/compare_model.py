"""The model line of Compare: how far the model is, who can bring it back, which adapter is worn."""

import asyncio
from dataclasses import replace
from typing import Any

import gradio as gr

from medreason.domain.arms import Arm
from medreason.domain.user import User
from medreason.engine.protocol import EngineState, Phase
from medreason.errors import MedReasonError
from medreason.services.serving import PUT_AWAY, Serving
from medreason.ui import render
from medreason.ui.sampling_form import default_budget

LOOK_EVERY_S = 1.0
READY_BLIND = "Ready. Both models are loaded."


class ModelLine:
    """Components and what they show. To somebody who may compare blind only, no model or adapter is named."""

    def __init__(self, serving: Serving):
        self.serving = serving

    def build_state(self, blind_only: bool = False) -> None:
        said = render.model_state(_unnamed(self.serving.state) if blind_only else self.serving.state)
        self.state = gr.Markdown(said, sanitize_html=False)
        self.load = gr.Button(
            "Load the model", variant="primary", visible=False, size="md", elem_classes="mr-load"
        )
        self.timer = gr.Timer(LOOK_EVERY_S, active=True)

    def build_adapter(self, blind_only: bool = False) -> None:
        """A list that stays empty and unseen for those who may compare blind only."""
        label = "Model" if blind_only else "Fine-tuned model: ready-made, or from a run in Train"
        self.adapter = gr.Dropdown([], label=label, visible=not blind_only, scale=2)

    @property
    def ready(self) -> bool:
        return self.serving.state.phase is Phase.READY

    def now(self, user: User) -> str:
        state = self.serving.state
        if state.phase is not Phase.READY:
            return render.model_state(_unnamed(state) if user.compares_blind_only else state)
        if user.compares_blind_only and Arm.FINETUNED in state.arms:
            return render.status(READY_BLIND)
        return render.model_ready(state, self.serving.provenance)

    def detail(self, arm: Arm) -> str:
        """What stands beside the arm in its column's head."""
        if not self.ready:
            return ""
        loaded = self.serving.provenance
        name = render.model_name(loaded)
        return (
            f"{name} · {loaded.precision}" if arm is Arm.BASELINE else f"{name} + {self.serving.adapter_label()}"
        )

    def adapter_field(self, user: User) -> gr.Dropdown:
        if user.compares_blind_only:
            return gr.Dropdown([], value=None, visible=False)
        found = [(one.label, one.key) for one in self.serving.adapters()]
        return gr.Dropdown(found, value=self.serving.adapter or None, interactive=bool(found))

    async def switch(self, user: User, key: str) -> list[Any]:
        """Updates of a status line, the adapter and the model line."""
        try:
            await asyncio.to_thread(self.serving.switch, user, key)
        except MedReasonError as fault:
            return [render.fault(str(fault)), self.adapter_field(user), self.now(user)]
        said = f"Comparing with {self.serving.adapter_label()}. Press New conversation, then ask."
        return [render.status(said), self.adapter_field(user), self.now(user)]

    def budget(self) -> Any:
        """A default length that suits the loaded model; what the user typed later stays."""
        return default_budget(self.serving.provenance.base_model) if self.ready else gr.skip()

    def clock(self) -> gr.Timer:
        """Runs until the model can be asked; not where somebody has to press Load the model first."""
        return gr.Timer(active=not self.ready and not can_load(self.serving.state))

    def load_button(self) -> gr.Button:
        return gr.Button(visible=can_load(self.serving.state))


def _unnamed(state: EngineState) -> EngineState:
    """How far the models are, without a word of which they are."""
    words = {
        Phase.LOADING: "The models are being loaded…",
        Phase.FAILED: "The models could not be loaded. Ask an admin.",
    }
    return replace(state, message=words.get(state.phase, state.message))


def can_load(state: EngineState) -> bool:
    """Whether the model was put away or failed to load, so that somebody may ask for it."""
    return state.phase is Phase.FAILED or state.message == PUT_AWAY
