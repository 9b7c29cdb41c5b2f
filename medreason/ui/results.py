"""The Results tab: the evaluation table, the cases behind its numbers, figures, files, and below a rule what
only describes. Numbers are computed aside; until they are ready the page says so and asks again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.pack import LIVE
from medreason.errors import MedReasonError
from medreason.services import in_words
from medreason.services.descriptive import descriptive
from medreason.services.filtering import PHASES, Filters
from medreason.services.results import ResultsView
from medreason.services.services import Services
from medreason.services.study_figures import figures
from medreason.stats.outcomes import PRIMARY_FAMILY
from medreason.ui import render, results_cases, results_take, results_view
from medreason.ui.asking import Asking, shown

LOOK_EVERY_S = 0.7
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
NOTHING_LEFT = '<div class="mr-empty">No rating is left with these filters. Choose “All” in one of them.</div>'


@dataclass
class ResultsTab:
    """What page.py wires: `refresh` when the tab is opened, `restore` when the page is loaded."""

    refresh: Callable[..., Any]
    refresh_inputs: list[Any]
    refresh_outputs: list[Any]
    restore: Callable[..., Any]
    restore_inputs: list[Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking) -> ResultsTab:
    with gr.Row(elem_classes="results-filters", elem_id="results"):
        collection = gr.Dropdown([("Pairs asked in Compare", LIVE)], value=LIVE, label="Show", min_width=260)
        filters = [
            gr.Dropdown([("All", "")], value="", label="Specialty", visible=False),
            gr.Dropdown([("All", "")], value="", label="Rater", visible=False),
            gr.Dropdown([("Any", 0)], value=0, label="Confidence at least", visible=False),
            gr.Dropdown([("All", "")], value="", label="Phase", visible=False),
        ]
        again = gr.Button("Refresh", size="sm", scale=0, min_width=110)
    chosen = [collection, *filters]
    table = gr.Markdown(results_view.NOTHING, sanitize_html=False, latex_delimiters=[], elem_id="results-table")
    timer = gr.Timer(LOOK_EVERY_S, active=False)

    def look(request: gr.Request, *values: Any, wait_s: float | None = None) -> ResultsView:
        name, *rest = values
        user, waits = ask.user(request), {} if wait_s is None else {"wait_s": wait_s}
        return services.results.view(user, name or LIVE, filters_of(*rest), **waits)

    behind = results_cases.build(services, ask, chosen, look)
    drawn = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    take = results_take.build(services, ask, chosen, look)
    described = gr.Markdown("", sanitize_html=False, latex_delimiters=[])

    @shown
    def refresh(request: gr.Request, *values: Any) -> list[Any]:
        values = values or (LIVE, *[None] * len(filters))
        hidden = [gr.skip()] * len(filters)
        try:
            collections = services.results.collections(ask.user(request))
            view = look(request, *values)
        except MedReasonError as fault:
            nothing = [*behind.hidden(), "", *take.hidden(), ""]
            return [gr.skip(), *hidden, render.fault(str(fault)), gr.Timer(active=False), *nothing]
        names = gr.Dropdown([(one.title, one.id) for one in collections], value=values[0] or LIVE)
        return [names, *_filters(view, *values[1:]), *_page(view, bool(filters_of(*values[1:])))]

    def _page(view: ResultsView, narrowed: bool) -> list[Any]:
        """The table, the timer, and everything below."""
        blind, made = not view.data.study.unblinded, view.made
        nothing = [*behind.hidden(), "", *take.hidden(), ""]
        if not view.data.ratings:
            said = NOTHING_LEFT if narrowed else results_view.NOTHING
            return [said, gr.Timer(active=False), *nothing]
        if made is None:
            return [results_view.computing(view.data, view.left_out), gr.Timer(active=True), *nothing]
        drawings = figures(made)
        if blind:
            rows = [made.evaluation.row(axis) for axis in PRIMARY_FAMILY]
            agreed = in_words.agreement([row for row in rows if row.n_paired])
            said = results_view.progress(view.data, f"{agreed[0].upper()}{agreed[1:]}.")
            below = [*behind.hidden(), results_view.drawings(drawings), *take.shows(made, drawings), ""]
            return [said, gr.Timer(active=False), *below]
        return [
            results_view.evaluation(made, view.left_out),
            gr.Timer(active=False),
            *behind.shows(made),
            results_view.drawings(drawings),
            *take.shows(made, drawings),
            results_view.description(descriptive(view.data), view.memory),
        ]

    outputs = [collection, *filters, table, timer, *behind.view, drawn, *take.view, described]
    again.click(refresh, chosen, outputs, **PRIVATE)
    timer.tick(refresh, chosen, outputs, **PRIVATE)
    gr.on([one.input for one in chosen], refresh, chosen, outputs, **PRIVATE)
    return ResultsTab(refresh, chosen, outputs, refresh, chosen, outputs)


def filters_of(specialty: Any, rater: Any, confidence: Any, phase: Any) -> Filters:
    return Filters(specialty or "", rater or "", int(confidence or 0), phase or "")


def _filters(view: ResultsView, *values: Any) -> list[gr.Dropdown]:
    """Each filter with what can be chosen now, hidden where there is nothing to choose."""
    given = view.choices
    offered: list[list[tuple[str, Any]]] = [
        [("All", ""), *((name, name) for name in given.specialties)],
        [("All", ""), *((name, name) for name in given.raters)],
        [("Any", 0), *((f"{point} of 5", point) for point in given.confidences)],
        [("All", ""), *((words[0].upper() + words[1:], phase) for phase, words in PHASES.items())],
    ]
    if len(given.phases) < 2:
        offered[3] = offered[3][:1]
    made = []
    for choices, value in zip(offered, values, strict=True):
        held = value if value in [one for _, one in choices] else choices[0][1]
        made.append(gr.Dropdown(choices, value=held, visible=len(choices) > 2))
    return made
