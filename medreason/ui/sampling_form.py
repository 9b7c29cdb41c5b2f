"""The fields of the sampling settings in Compare, and the settings made from them again."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from medreason.domain.sampling import Sampling
from medreason.domain.setting import settings_of

SHOWN = ("temperature", "top_p", "top_k", "seed", "max_new_tokens")
LONGEST = SHOWN.index("max_new_tokens")
# Long enough for the embedded model, whose answers end well before it, at about 20 tokens a second.
EMBEDDED_BUDGET = 512


def build_sampling_fields() -> list[gr.Number]:
    """One number field a setting, in the order of `SHOWN`."""
    with gr.Row():
        return [
            gr.Number(one.default, label=one.label, info=one.help, precision=0 if one.kind is int else None)
            for one in settings_of(Sampling)
            if one.name in SHOWN
        ]


def read_sampling(values: Sequence[Any]) -> Sampling:
    """The settings with the fields' values; raises `Invalid` with every fault."""
    return Sampling(**dict(zip(SHOWN, values, strict=True)))


def default_budget(base_model: str) -> int:
    """Longest answer that suits the loaded base."""
    return EMBEDDED_BUDGET if base_model == "embedded" else Sampling().max_new_tokens
