"""Where a run goes: this computer, or a Ray cluster that is described here. Knows nothing of jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.cluster import RayCluster
from medreason.domain.setting import settings_of
from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.services import Services
from medreason.ui import render
from medreason.ui.asking import Asking, shown
from medreason.ui.form import field, form_values, read_form

HERE, RAY = "here", "ray"
ABOUT = (
    '<p class="mr-note">The run is sent to the cluster with its settings and training data, is followed in Runs '
    "like any other, and its adapter comes back by itself. The cluster fetches the base model, or has it already. "
    "The estimate above is of this machine.</p>"
)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass
class WherePart:
    """`inputs` are the choice and the cluster's fields; `cluster_of` reads their values: None for this computer.
    `restore()` gives what `inputs` and the fold show after a reload."""

    inputs: list[Any]
    cluster_of: Callable[[User, Sequence[Any]], RayCluster | None]
    restore: Callable[[], list[Any]]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking) -> WherePart:
    clusters = services.training.clusters
    where = gr.Radio(
        [("This machine", HERE), ("Ray cluster", RAY)],
        value=HERE,
        label="Where it runs",
        info="A Ray cluster takes runs that this machine is too small for.",
    )
    with gr.Column(visible=False, elem_id="cluster") as box:
        gr.Markdown(ABOUT, sanitize_html=False)
        form: dict[str, Any] = {}
        settings = list(settings_of(RayCluster))
        with gr.Row(elem_classes="mr-fields"):
            form |= {one.name: field(one) for one in settings if not one.advanced}
        with gr.Accordion("Python and token of the cluster", open=False):
            with gr.Row(elem_classes="mr-fields"):
                form |= {one.name: field(one) for one in settings if one.advanced}
        with gr.Row(elem_classes="mr-actions"):
            check = gr.Button("Ask the cluster", scale=0, min_width=180)
        said = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
    names = list(form)

    def cluster_of(user: User, values: Sequence[Any]) -> RayCluster | None:
        """Raises `Invalid` for fields that describe no cluster; what does is kept for the next time."""
        if not values or values[0] != RAY:
            return None
        cluster: RayCluster = read_form(RayCluster, names, values[1:])
        clusters.keep(user, cluster)
        return cluster

    def restore() -> list[Any]:
        kept = clusters.kept()
        return [gr.skip()] * len(form) if kept is None else form_values(form, kept)

    @shown
    def choose(chosen: str | None) -> Any:
        return gr.Column(visible=chosen == RAY)

    @shown
    def ask_it(request: gr.Request, *values: Any) -> str:
        user = ask.user(request)
        try:
            cluster = cluster_of(user, (RAY, *values))
            assert cluster is not None
            return render.status(clusters.check(user, cluster))
        except MedReasonError as fault:
            return render.fault(str(fault))

    where.input(choose, [where], [box], **PRIVATE)
    check.click(ask_it, list(form.values()), [said], **PRIVATE)
    return WherePart([where, *form.values()], cluster_of, restore, list(form.values()))
