"""Every run as one table, newest first. Pure: no service, no state. All free text is escaped here."""

import html
from collections.abc import Sequence
from datetime import datetime

from medreason.domain.run import LossPoint, RunStatus
from medreason.ui.run_view import chip, duration, losses_of
from medreason.ui.sparkline import sparkline

COLUMNS = ("Run", "State", "Curve", "Steps, time", "Training loss", "Held-out loss", "Started (UTC)")


def history(runs: Sequence[RunStatus]) -> str:
    """The table, or a sentence where there is no run yet."""
    if not runs:
        return '<p class="mr-note">Every run is listed here with its state, its losses and its time.</p>'
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    rows = "".join(_row(run) for run in runs)
    return (
        '<div class="mr-scroll" tabindex="0" role="region" aria-label="All runs">'
        f'<table class="mr-table mr-runs"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="mr-note">Loss: first to last. Lower means that the rows surprise the model less; only the '
        "held-out rows tell whether that holds for rows it has not seen.</p>"
    )


def _row(run: RunStatus) -> str:
    steps = f"{run.step:,} of {run.total_steps:,}" if run.total_steps else "–"
    cells = (
        chip(run),
        sparkline(run.losses),
        f"{steps}<br>{duration(run.elapsed_s)}" if run.elapsed_s >= 1 else steps,
        _first_to_last(losses_of(run, held_out=False)),
        _first_to_last(losses_of(run, held_out=True)),
        when(run.started_at).replace(", ", "<br>"),
    )
    shown = "".join(f"<td>{cell}</td>" for cell in cells)
    folder = f'<br><span class="mr-note">{html.escape(run.name)}</span>' if run.title else ""
    return f'<tr><th scope="row">{html.escape(run.shown_name)}{folder}</th>{shown}</tr>'


def _first_to_last(points: Sequence[LossPoint]) -> str:
    if not points:
        return "–"
    if len(points) == 1:
        return f"{points[0].loss:.2f}"
    return f"{points[0].loss:.2f} → {points[-1].loss:.2f}"


def when(moment: str) -> str:
    """A time in UTC as people write it; a dash where it is none."""
    try:
        return datetime.fromisoformat(moment).strftime("%d %b %Y, %H:%M")
    except ValueError:
        return "–"
