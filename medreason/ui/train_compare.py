"""Choosing two or more runs and reading what tells them apart."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.services.services import Services
from medreason.ui.asking import shown
from medreason.ui.runs_compare import CHOOSE, MOST_RUNS, comparison


@dataclass
class Comparison:
    """`chosen` is filled with the runs there are by whoever knows them."""

    chosen: gr.Dropdown


def build_comparison(services: Services) -> Comparison:
    training = services.training
    gr.Markdown("## Compare runs", elem_classes="mr-part")
    with gr.Row(elem_classes="mr-fields"):
        chosen = gr.Dropdown(
            [],
            label="Runs to compare",
            info=f"Two or more; the first {MOST_RUNS} are shown.",
            multiselect=True,
            scale=3,
        )
        only = gr.Checkbox(True, label="Differences only", info="Leave out settings that are the same.", scale=1)
    compared = gr.Markdown(CHOOSE, sanitize_html=False, latex_delimiters=[])

    def config_of(name: str) -> TrainingConfig | None:
        try:
            return training.config(name)
        except MedReasonError:
            return None

    @shown
    def compare_runs(names: list[str] | None, differences_only: bool) -> str:
        there = {run.name: run for run in training.runs()}
        runs = [there[name] for name in names or [] if name in there]
        return comparison(runs, [config_of(run.name) for run in runs], bool(differences_only))

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([chosen.input, only.input], compare_runs, [chosen, only], [compared], **private)
    return Comparison(chosen)
