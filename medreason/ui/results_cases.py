"""From a number of the table to its cases, and from a case to its two texts with what was marked in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.pack import LIVE
from medreason.services.assessing import Assessment
from medreason.services.case_view import cases_behind
from medreason.services.filtering import Filters
from medreason.services.results import ResultsView
from medreason.services.services import Services
from medreason.stats.by_case import BETTER, EVEN_CASE, WORSE
from medreason.ui import results_case
from medreason.ui.asking import Asking, shown

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
VERDICTS = (
    ("All cases", ""),
    ("Won by the fine-tuned model", BETTER),
    ("Tied", EVEN_CASE),
    ("Won by the baseline", WORSE),
)
FIRST = "D"
Look = Callable[..., ResultsView]


@dataclass
class Behind:
    """`view` are the components; `shows` and `hidden` say how they look."""

    view: list[Any]

    def hidden(self) -> list[Any]:
        return [gr.Column(visible=False), *[gr.skip()] * 3, "", ""]

    def shows(self, made: Assessment) -> list[Any]:
        """All cases of the first outcome that has any; texts wait until a case is chosen."""
        outcomes = [
            (row.outcome.label, row.outcome.id) for row in made.evaluation.rows if made.cases.get(row.outcome.id)
        ]
        first = FIRST if any(name == FIRST for _, name in outcomes) else outcomes[0][1] if outcomes else ""
        return [
            gr.Column(visible=bool(outcomes)),
            gr.Dropdown(outcomes, value=first or None),
            gr.update(value=""),
            *_listed(made, first, ""),
            "",
        ]


def build(services: Services, ask: Asking, chosen: list[Any], look: Look) -> Behind:
    with gr.Column(visible=False, elem_id="results-cases") as part:
        gr.Markdown("## Behind a number", elem_classes="mr-part")
        with gr.Row(elem_classes="results-filters"):
            outcome = gr.Dropdown([], label="Outcome")
            verdict = gr.Dropdown(list(VERDICTS), value="", label="Cases")
            case = gr.Dropdown([], label="Show the texts of", info="Or press a case in the list.")
        cases = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        texts = gr.Markdown("", sanitize_html=False, latex_delimiters=[], elem_id="results-texts")
        cell = gr.Textbox("", visible="hidden", elem_id="results-cell")
        named = gr.Textbox("", visible="hidden", elem_id="results-chosen")

    @shown
    def list_cases(request: gr.Request, *values: Any) -> list[Any]:
        *given, name, which = values
        made = look(request, *given).made
        return _listed(made, name or FIRST, which or "") if made else [gr.skip(), gr.skip()]

    @shown
    def from_cell(request: gr.Request, *values: Any) -> list[Any]:
        *given, pressed = values
        name, which, *_ = [*str(pressed or "").split(), "", ""]
        made = look(request, *given).made
        if made is None or not made.cases.get(name):
            return [gr.skip()] * 4
        return [gr.update(value=name), gr.update(value=which), *_listed(made, name, which)]

    @shown
    def show_texts(request: gr.Request, *values: Any) -> str:
        name, specialty, rater, confidence, phase, wanted = values
        if not wanted:
            return ""
        filters = Filters(specialty or "", rater or "", int(confidence or 0), phase or "")
        found = services.results.case(ask.user(request), name or LIVE, filters, wanted)
        return results_case.case_texts(found)

    @shown
    def from_name(request: gr.Request, *values: Any) -> list[Any]:
        *given, pressed = values
        wanted = str(pressed or "").rpartition(" ")[0]
        return [gr.update(value=wanted), show_texts(request, *given, wanted)] if wanted else [gr.skip()] * 2

    gr.on([outcome.input, verdict.input], list_cases, [*chosen, outcome, verdict], [case, cases], **PRIVATE)
    case.input(show_texts, [*chosen, case], [texts], **PRIVATE)
    cell.change(from_cell, [*chosen, cell], [outcome, verdict, case, cases], **PRIVATE)
    named.change(from_name, [*chosen, named], [case, texts], **PRIVATE)
    return Behind([part, outcome, verdict, case, cases, texts])


def _listed(made: Assessment, outcome: str, verdict: str) -> list[Any]:
    """The choice of a case, and the list of the cases behind a cell."""
    found = cases_behind(made, outcome, verdict)
    specialties = {case.case_id: case.specialty for case in made.data.cases}
    label = next((row.outcome.label for row in made.evaluation.rows if row.outcome.id == outcome), "")
    # Texts can be shown of every rated case, whichever cell is open.
    every = sorted({row.case_id for row in made.data.ratings})
    return [gr.Dropdown(every, value=None), results_case.case_list(found, f"Cases: {label}", specialties)]
