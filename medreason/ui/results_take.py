"""What Results lets people take away: the pack, single tables, and each figure as SVG or PNG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from medreason.domain.pack import LIVE
from medreason.figures import png, svg
from medreason.figures.drawing import Figure
from medreason.services.assessing import Assessment
from medreason.services.pack.evaluation_files import evaluation_files
from medreason.services.pack.tables import tables
from medreason.services.results import ResultsView
from medreason.services.services import Services
from medreason.services.study_figures import figures
from medreason.ui import render
from medreason.ui.asking import Asking, shown
from medreason.ui.results_files import Shelf

LOOK_EVERY_S = 1.0
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
TABLES = ("ratings_long.csv", "pairs.csv", "evaluation_table.csv", "evaluation_table.md")
LABELS = ("Ratings, CSV", "Comparisons, CSV", "Table, CSV", "Table, Markdown")
THEMES = (("Light", "light"), ("Dark", "dark"))
NOTE = (
    '<p class="mr-note">The pack holds everything: table, ratings, answers, figures, codebook, methods. Raters '
    "are known by pseudonym. In CSV a text that a spreadsheet could run as a formula has one ' in front; JSONL "
    "and Parquet in the pack hold every text as it was written.</p>"
)
MAKING = "Making the pack; it will be here in a few seconds."
Look = Callable[..., ResultsView]


@dataclass
class Take:
    """`view` are the components; `shows` and `hidden` say how they look."""

    view: list[Any]
    shelf: Shelf

    def hidden(self) -> list[Any]:
        return [gr.Column(visible=False), *[gr.skip()] * (len(self.view) - 1)]

    def shows(self, made: Assessment, drawn: Sequence[Figure]) -> list[Any]:
        """Single tables only where the arms may be known: a blinded table is part of the blinded pack."""
        named = [(one.title, one.name) for one in drawn]
        open_ = made.data.study.unblinded
        files = {}
        if open_:
            files = {one.file: one.content() for one in tables(made.data) if one.file in TABLES}
            files |= {name: content for name, content in evaluation_files(made).items() if name in TABLES}
        paths = self.shelf.put(files)
        first = drawn[0] if drawn else None
        return [
            gr.Column(visible=True),
            *(gr.DownloadButton(value=paths.get(name), visible=open_) for name in TABLES),
            gr.Dropdown(named, value=first.name if first else None, visible=bool(named)),
            gr.update(visible=bool(named)),
            *_figure_files(self.shelf, first, "light"),
            gr.DownloadButton(visible=False),
            "",
        ]


def build(services: Services, ask: Asking, chosen: list[Any], look: Look) -> Take:
    shelf = Shelf()
    with gr.Column(visible=False) as part:
        gr.Markdown("## Take it with you", elem_classes="mr-part")
        with gr.Row(elem_classes="results-files"):
            texts = gr.Checkbox(True, label="With the texts of cases and answers")
            make = gr.Button("Make the pack", variant="primary", size="md", scale=0)
            ready = gr.DownloadButton("Download the pack", visible=False, size="md", scale=0)
        said = gr.Markdown("", sanitize_html=False, latex_delimiters=[])
        with gr.Row(elem_classes="results-files"):
            single = [gr.DownloadButton(label, size="md", scale=0) for label in LABELS]
        with gr.Row(elem_classes="results-files results-one-figure"):
            which = gr.Dropdown([], label="One figure", min_width=320)
            theme = gr.Radio(list(THEMES), value="light", label="For a page that is", min_width=220)
            as_svg = gr.DownloadButton("Figure, SVG", size="md", scale=0)
            as_png = gr.DownloadButton("Figure, PNG", size="md", scale=0)
        gr.Markdown(NOTE, sanitize_html=False)
        timer = gr.Timer(LOOK_EVERY_S, active=False)

    @shown
    def draw(request: gr.Request, *values: Any) -> list[Any]:
        *given, name, light = values
        made = look(request, *given).made
        found = next((one for one in figures(made) if one.name == name), None) if made else None
        return _figure_files(shelf, found, light or "light")

    @shown
    def fetch(request: gr.Request, *values: Any) -> list[Any]:
        name, with_texts = values[0] or LIVE, bool(values[-1])
        made = services.results.pack(ask.user(request), name, with_texts)
        if made is None:
            return [gr.DownloadButton(visible=False), render.status(MAKING), gr.Timer(active=True)]
        file = f"medreason-{name}{'' if with_texts else '-without-texts'}.zip"
        path = shelf.put({file: made})[file]
        size = f"{len(made) / 1e6:.1f} MB"
        shown_as = gr.DownloadButton(f"Download the pack ({size})", value=path, visible=True)
        return [
            shown_as,
            render.status("The pack is ready. It holds everything, whatever the filters say."),
            gr.Timer(active=False),
        ]

    gr.on([which.input, theme.input], draw, [*chosen, which, theme], [as_svg, as_png], **PRIVATE)
    gr.on([make.click, timer.tick], fetch, [*chosen, texts], [ready, said, timer], **PRIVATE)
    return Take([part, *single, which, theme, as_svg, as_png, ready, said], shelf)


def _figure_files(shelf: Shelf, figure: Figure | None, theme: str) -> list[gr.DownloadButton]:
    if figure is None:
        return [gr.DownloadButton(visible=False)] * 2
    names = [f"{figure.name}_{theme}.{kind}" for kind in ("svg", "png")]
    paths = shelf.put({names[0]: svg.standalone(figure, theme), names[1]: png.png(figure, theme)})
    return [gr.DownloadButton(value=paths[name], visible=True) for name in names]
