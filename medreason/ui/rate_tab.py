"""The Rate tab as a whole: rating for everybody, and beside it the studies for those who lead them."""

from dataclasses import replace
from typing import Any

import gradio as gr

from medreason.services.services import Services
from medreason.ui import rate, studies
from medreason.ui.asking import Asking, shown
from medreason.ui.rate import RateTab


def build(services: Services, ask: Asking, leads: bool = True) -> RateTab:
    """`restore` fills all that is there: the studies only where somebody leads them."""
    if not leads:
        return rate.build(services, ask)
    with gr.Tabs():
        with gr.Tab("My cases"):
            rating = rate.build(services, ask)
        with gr.Tab("Studies", visible=False) as tab:
            leading = studies.build(services, ask, tab)

    @shown
    def restore(request: gr.Request) -> list[Any]:
        return [*rating.restore(request), *leading.restore(request)]

    return replace(rating, restore=restore, restore_outputs=[*rating.restore_outputs, *leading.restore_outputs])
