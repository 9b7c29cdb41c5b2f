"""Turns training runs into what the page shows. Pure: no service, no state. All free text is escaped here."""

import html
from collections.abc import Sequence
from datetime import datetime

from medreason.domain.training import LossPoint, RunState, RunStatus
from medreason.services.training import Plan
from medreason.ui.loss_chart import loss_chart

WORDS = {
    RunState.QUEUED: "Waiting to start",
    RunState.LOADING: "Loading",
    RunState.TRAINING: "Training",
    RunState.SAVING: "Saving",
    RunState.COMPLETED: "Completed",
    RunState.STOPPED: "Stopped",
    RunState.FAILED: "Failed",
    RunState.LOST: "Lost",
}
NO_RUNS = (
    '<div class="mr-empty">No runs yet. The form holds a short demo run: press Start training, and the loss '
    "curve will show here.</div>"
)


def duration(seconds: float) -> str:
    """Seconds in words: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def about(seconds: float) -> str:
    """A coarse time left, which does not pretend to know seconds."""
    if seconds < 50:
        return "less than a minute"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}"
    return f"about {minutes // 60} h {minutes % 60} min"


def plan_line(plan: Plan) -> str:
    """What will happen, in one sentence; a time only where it was measured."""
    held_out = f", {plan.held_out} held out to measure the loss on" if plan.held_out else ""
    steps = f"{plan.steps:,} step{'s' if plan.steps != 1 else ''}"
    time = (
        f"{about(plan.seconds)}, going by run {plan.measured_by} on this computer"
        if plan.seconds is not None
        else "the time left shows after the first steps"
    )
    text = (
        f"{plan.rows:,} of {plan.rows_in_file:,} rows: {plan.rows - plan.held_out:,} to learn from{held_out}; "
        f"{steps}; {time}."
    )
    return f'<div class="mr-status" role="status">{html.escape(text)}</div>'


def run_card(run: RunStatus | None) -> str:
    """State, progress, sentence and loss curve of one run. One line of HTML: Markdown would parse several."""
    if run is None:
        return NO_RUNS
    name, words = html.escape(run.name), WORDS[run.state]
    bad = run.state in (RunState.FAILED, RunState.LOST)
    return (
        f'<div class="mr-card mr-run"><div class="mr-run-head"><b>{name}</b>'
        f'<span class="mr-chip{" mr-chip-bad" if bad else ""}">{words}</span>'
        f'<span class="mr-note">{html.escape(_progress_words(run))}</span></div>'
        f"{_bar(run)}{_sentence(run, bad)}"
        f"{loss_chart(run.losses, run.total_steps)}</div>"
    )


def _progress_words(run: RunStatus) -> str:
    parts = []
    if run.total_steps:
        parts.append(f"step {run.step:,} of {run.total_steps:,}")
    if run.seconds_left is not None and not run.state.ended:
        parts.append(f"{about(run.seconds_left)} left")
    if run.elapsed_s:
        parts.append(f"{duration(run.elapsed_s)} {'in all' if run.state.ended else 'so far'}")
    return " · ".join(parts)


def _bar(run: RunStatus) -> str:
    if run.state.ended:
        return ""
    percent = round(100 * run.step / run.total_steps) if run.total_steps else 0
    return (
        '<div class="mr-bar" role="progressbar" aria-label="Steps made" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}"><span style="width:{percent}%"></span></div>'
    )


def _sentence(run: RunStatus, bad: bool) -> str:
    if run.state is RunState.COMPLETED:
        text = "Adapter ready. Compare it with the baseline."
    else:
        text = run.message
    kind = "mr-status mr-fault" if bad else "mr-status"
    return f'<div class="{kind}">{html.escape(text)}</div>' if text else ""


def history(runs: Sequence[RunStatus]) -> str:
    """Every run, newest first, as a table."""
    if not runs:
        return '<p class="mr-note">Runs that have ended are listed here with their losses and times.</p>'
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("Run", "State", "Steps", "Training loss", "Held-out loss", "Time", "Started (UTC)")
    )
    rows = "".join(_row(run) for run in runs)
    return (
        '<div class="mr-scroll" tabindex="0" role="region" aria-label="All runs">'
        f'<table class="mr-table mr-runs"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="mr-note">Loss: first to last. Lower means that the rows surprise the model less; only the '
        "held-out rows tell whether that holds for rows it has not seen.</p>"
    )


def _row(run: RunStatus) -> str:
    train = [point for point in run.losses if not point.held_out]
    held_out = [point for point in run.losses if point.held_out]
    cells = (
        WORDS[run.state],
        f"{run.step:,} of {run.total_steps:,}" if run.total_steps else "–",
        _first_to_last(train),
        _first_to_last(held_out),
        duration(run.elapsed_s) if run.elapsed_s else "–",
        _when(run.started_at),
    )
    shown = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{html.escape(run.name)}</th>{shown}</tr>'


def _first_to_last(points: Sequence[LossPoint]) -> str:
    if not points:
        return "–"
    if len(points) == 1:
        return f"{points[0].loss:.2f}"
    return f"{points[0].loss:.2f} → {points[-1].loss:.2f}"


def _when(started_at: str) -> str:
    try:
        return datetime.fromisoformat(started_at).strftime("%d %b %Y, %H:%M")
    except ValueError:
        return "–"
