"""How the next question is asked, the same for both models: sampling, seed, system prompt.

Qwen3 is meant to be asked in two ways (its model card): with thinking at temperature 0.6, top-p 0.95, top-k 20,
min-p 0; without at 0.7, 0.8, 20, 0. The switch takes the other way's values for every field that still holds those
of its own way; what somebody has changed stays.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import gradio as gr

from medreason.domain.sampling import Sampling
from medreason.domain.setting import settings_of

FREE = ("temperature", "top_p", "top_k", "min_p")
SHOWN = (*FREE, "max_new_tokens")
DEFAULTS = {
    True: Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0.0),
    False: Sampling(temperature=0.7, top_p=0.8, top_k=20, min_p=0.0, thinking=False),
}
# Long enough for the embedded model, whose answers end well before it, at about 20 tokens a second.
EMBEDDED_BUDGET = 512
# A traced case of published reasoning data has 675 tokens at the mean and 1,080 at most, and models think longer
# than their data: one published comparison allowed 6,000. This is the next power of two, and fits beside a second
# row on a 24 GB card (2.4 GB of keys and values for two rows of Qwen3-8B). Continue goes on where it is short.
BUDGET = 8192
LARGEST_SEED = 2**31 - 1


class SamplingForm:
    """Fields in two places: `build_seed` where it is seen, `build_panel` behind a fold. `inputs` are what a
    question takes, in the order in which `read` wants their values."""

    def __init__(self) -> None:
        self._settings = {one.name: one for one in settings_of(Sampling)}
        self.fields: dict[str, gr.Number] = {}

    def build_seed(self) -> None:
        one = self._settings["seed"]
        self.seed = gr.Number(
            one.default,
            label="Seed for both",
            precision=0,
            scale=0,
            min_width=150,
            elem_classes="mr-seed",
        )
        self.draw = gr.Button("New seed", scale=0, min_width=110)

    def build_panel(self) -> None:
        thinking = self._settings["thinking"]
        self.thinking = gr.Checkbox(True, label=thinking.label, info=thinking.help)
        with gr.Row(elem_classes="mr-fields"):
            for name in SHOWN:
                one = self._settings[name]
                whole = 0 if one.kind is int else None
                default = BUDGET if name == "max_new_tokens" else one.default
                self.fields[name] = gr.Number(
                    default, label=one.label, info=one.help, precision=whole, min_width=200
                )
        self.system_prompt = gr.Textbox(
            "",
            label="System prompt, the same for both",
            info="Stands before every question. Empty means the model's own default.",
            lines=2,
            max_lines=6,
        )

    @property
    def longest(self) -> gr.Number:
        return self.fields["max_new_tokens"]

    @property
    def inputs(self) -> list[Any]:
        return [self.thinking, *self.fields.values(), self.seed, self.system_prompt]

    def wire(self) -> None:
        free = [self.fields[name] for name in FREE]
        private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.thinking.input(follow_thinking, [self.thinking, *free], free, **private)
        self.draw.click(new_seed, None, [self.seed], **private)


def read(values: Sequence[Any]) -> tuple[Sampling, str]:
    """Sampling and system prompt from the values of `inputs`; raises `Invalid` with every fault."""
    thinking, *shown, seed, system_prompt = values
    return Sampling(thinking=thinking, seed=seed, **dict(zip(SHOWN, shown, strict=True))), (
        system_prompt or ""
    ).strip()


def follow_thinking(thinking: bool | None, *values: Any) -> list[Any]:
    """The values of the free fields after the switch was turned to `thinking`."""
    before, after = DEFAULTS[not thinking], DEFAULTS[bool(thinking)]
    return [
        getattr(after, name) if value == getattr(before, name) else value
        for name, value in zip(FREE, values, strict=True)
    ]


def new_seed() -> int:
    return secrets.randbelow(LARGEST_SEED + 1)


def default_budget(base_model: str) -> int:
    """Longest answer that suits the loaded base."""
    return EMBEDDED_BUDGET if base_model == "embedded" else BUDGET
