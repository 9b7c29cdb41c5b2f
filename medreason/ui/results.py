"""The Results tab: the evaluation table, the lengths below a rule, and the files to take away.

The files are made with the table that is shown, so what is downloaded is what was read.
"""

import atexit
import html
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from medreason.domain.arms import ARMS, Arm
from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.reading import HOW_TO_READ, cells, counted, in_words, signed
from medreason.services.results import LengthsTable
from medreason.services.services import Services
from medreason.stats.table import EvaluationTable
from medreason.ui import render
from medreason.ui.asking import Asking, shown

KEEP_S = 600
NOTHING = (
    '<div class="mr-empty">No ratings yet. Open Rate, or ask a case in Compare and press Rate this pair.</div>'
)
HEAD = (
    '<thead><tr><th scope="col">{0}</th><th scope="col" class="baseline">Baseline</th>'
    '<th scope="col" class="finetuned">Fine-tuned</th><th scope="col">Δ</th>'
    '<th scope="col">n</th></tr></thead>'
)
FILES = {
    "ratings.csv": ("Ratings, CSV", "ratings_csv"),
    "ratings.jsonl": ("Ratings, JSONL", "ratings_jsonl"),
    "evaluation_table.csv": ("Table, CSV", "table_csv"),
    "evaluation_table.md": ("Table, Markdown", "table_markdown"),
}
FILES_NOTE = (
    '<div class="mr-note">Files hold what this table shows, with pseudonyms. In CSV a text that a '
    "spreadsheet could run as a formula has one ' in front; JSONL holds every text as it was written.</div>"
)


@dataclass
class ResultsTab:
    """What page.py wires: `refresh` when the tab is opened, `restore` when the page is loaded."""

    refresh: Callable[..., Any]
    refresh_outputs: list[Any]
    restore: Callable[..., Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking) -> ResultsTab:
    folder = Path(tempfile.mkdtemp(prefix="medreason-exports-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    table = gr.Markdown(NOTHING, sanitize_html=False, latex_delimiters=[])
    with gr.Column(visible=False, elem_classes="results-files") as files:
        with gr.Row():
            buttons = [gr.DownloadButton(label, size="md") for label, _ in FILES.values()]
        gr.Markdown(FILES_NOTE, sanitize_html=False)
    lengths = gr.Markdown(sanitize_html=False, latex_delimiters=[])
    again = gr.Button("Refresh", size="sm", elem_classes="results-again")

    def written(user: User) -> list[gr.DownloadButton]:
        """The files of this moment, in a folder of their own. The page takes copies, so those of earlier
        moments can go."""
        for old in folder.iterdir():
            if time.time() - old.stat().st_mtime > KEEP_S:
                shutil.rmtree(old, ignore_errors=True)
        place = Path(tempfile.mkdtemp(dir=folder))
        made = []
        for file, (_, method) in FILES.items():
            (place / file).write_bytes(getattr(services.results, method)(user))
            made.append(gr.DownloadButton(value=str(place / file)))
        return made

    @shown
    def refresh(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        try:
            shown_table, shown_lengths = services.results.table(user), services.results.lengths(user)
        except MedReasonError as fault:
            return [render.fault(str(fault)), gr.Column(visible=False), "", *[gr.skip()] * len(buttons)]
        rated = shown_table.n_ratings > 0
        downloads = written(user) if rated else [gr.skip()] * len(buttons)
        return [
            evaluation(shown_table) if rated else NOTHING,
            gr.Column(visible=rated),
            token_lengths(shown_lengths),
            *downloads,
        ]

    outputs = [table, files, lengths, *buttons]
    again.click(refresh, None, outputs, api_visibility="private")
    return ResultsTab(refresh, outputs, refresh, outputs)


def evaluation(table: EvaluationTable) -> str:
    """The table with its sentence above and what must be read with it below."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(metric)}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for metric, *rest in map(cells, table.rows)
    )
    rests_on = (
        f"{counted(table.n_ratings, 'rating')} of {counted(table.n_cases, 'case')} by "
        f"{counted(table.n_raters, 'rater')}."
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    return (
        f'<p class="results-sentence">{html.escape(in_words(table))}</p>'
        f'<table class="mr-table results-table" aria-label="Evaluation table">{HEAD.format("Metric")}'
        f"<tbody>{rows}</tbody></table>"
        f'<ul class="mr-note results-notes"><li>{rests_on} {html.escape(HOW_TO_READ)}</li>{notes}</ul>'
    )


def token_lengths(lengths: LengthsTable) -> str:
    """Lengths under their own rule: they describe, they do not judge."""
    title = '<div class="results-rule"><h2>Descriptive, not correctness</h2></div>'
    if not lengths.n:
        return (
            f'{title}<p class="mr-note">Token lengths appear here once a pair is complete and its sides may '
            "be known.</p>"
        )
    rows = "".join(
        f'<tr><th scope="row">{row.part.capitalize()}, {word}</th><td>{baseline:,.0f}</td>'
        f"<td>{finetuned:,.0f}</td><td>{difference}</td><td>{row.n}</td></tr>"
        for row in lengths.rows
        for word, baseline, finetuned, difference in (
            ("mean", row.baseline_mean, row.finetuned_mean, signed(row.difference or 0.0, 0)),
            ("median", row.baseline_median, row.finetuned_median, ""),
        )
    )
    cut = " and ".join(f"{lengths.truncated[arm]} of {_whose(arm)}" for arm in ARMS)
    return (
        f'{title}<table class="mr-table results-table" aria-label="Token lengths">{HEAD.format("Tokens")}'
        f"<tbody>{rows}</tbody></table>"
        f'<p class="mr-note">Over complete pairs whose sides may be known; n counts pairs, Δ is the mean '
        f"difference. Ended at the token budget: {cut} answers. A longer trace is not a deeper one.</p>"
    )


def _whose(arm: Arm) -> str:
    return f"the {arm.label.lower()}’s"
