"""Turns one training run into what the page shows. Pure: no service, no state. All free text is escaped here."""

import html
from collections.abc import Sequence

from medreason.domain.pace import about
from medreason.domain.run import Checkpoint, LossPoint, RunState, RunStatus
from medreason.ui.axes import short
from medreason.ui.loss_chart import loss_chart, smoothed
from medreason.ui.measure_charts import measure_charts

WORDS = {
    RunState.QUEUED: "Waiting",
    RunState.LOADING: "Loading",
    RunState.TRAINING: "Training",
    RunState.EVALUATING: "Evaluating",
    RunState.SAVING: "Saving",
    RunState.COMPLETED: "Completed",
    RunState.STOPPED: "Stopped",
    RunState.FAILED: "Failed",
    RunState.LOST: "Lost",
}
BAD = (RunState.FAILED, RunState.LOST)
NO_RUNS = (
    '<div class="mr-empty">No runs yet. Settings holds a short demo run: press Start training there, and the loss '
    "curve will show here.</div>"
)
LAST_LINES = 8


def duration(seconds: float) -> str:
    """Seconds in words: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def run_card(run: RunStatus | None, waiting: str = "") -> str:
    """State, progress, sentence and curves of one run; `waiting` says what a run that waits is waiting for. One
    line of HTML: Markdown would parse several."""
    if run is None:
        return NO_RUNS
    bad = run.state in BAD
    return (
        f'<div class="mr-card mr-run"><div class="mr-run-head"><b>{html.escape(run.shown_name)}</b>'
        f'{chip(run)}<span class="mr-note">{html.escape(_progress_words(run))}</span></div>'
        f"{_bar(run)}{_sentence(run, waiting)}{_last_lines(run) if bad else ''}{_facts(run)}"
        f'<div class="mr-curves">{loss_chart(run.losses, run.total_steps) or _no_curve(run)}'
        f"{measure_charts(run.losses, run.total_steps)}</div>{_checkpoints(run)}</div>"
    )


def live_line(runs: Sequence[RunStatus]) -> str:
    """The run that is live in one line, for the head of the tab; empty where none is."""
    live = [run for run in reversed(runs) if not run.state.ended]
    if not live:
        return ""
    first = next((run for run in live if run.state is not RunState.QUEUED), live[0])
    waiting = sum(run.state is RunState.QUEUED for run in live if run is not first)
    words = [_progress_words(first, so_far=False), f"{waiting} more waiting" if waiting else ""]
    said = " · ".join(part for part in words if part)
    return (
        f'<div class="mr-live"><b>{html.escape(first.shown_name)}</b>{chip(first)}'
        f'<span class="mr-note">{html.escape(said)}</span></div>'
    )


def chip(run: RunStatus) -> str:
    kind = " mr-chip-bad" if run.state in BAD else ""
    return f'<span class="mr-chip{kind}">{WORDS[run.state]}</span>'


def _progress_words(run: RunStatus, so_far: bool = True) -> str:
    parts = []
    if run.total_steps:
        parts.append(f"step {run.step:,} of {run.total_steps:,}")
    if run.seconds_left is not None and not run.state.ended:
        parts.append(f"{about(run.seconds_left)} left")
    if run.elapsed_s >= 1 and so_far and run.state is not RunState.QUEUED:
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


def _sentence(run: RunStatus, waiting: str) -> str:
    if run.state is RunState.COMPLETED:
        text = "Adapter ready. Compare it with the baseline."
    elif run.state is RunState.STOPPED and run.adapter:
        text = f"{run.message} Its adapter can be compared with the baseline as it stands."
    else:
        text = waiting or run.message
    kind = "mr-status mr-fault" if run.state in BAD else "mr-status"
    return f'<div class="{kind}">{html.escape(text)}</div>' if text else ""


def _last_lines(run: RunStatus) -> str:
    lines = run.log_tail.split("\n")[-LAST_LINES:]
    if not any(lines):
        return ""
    # Markdown ends a block of HTML at an empty line, so line ends are written as characters.
    text = "&#10;".join(html.escape(line) for line in lines)
    return (
        '<div class="mr-scroll" tabindex="0" role="region" aria-label="Last lines of the log">'
        f'<div class="mr-lines">{text}</div></div>'
    )


def _facts(run: RunStatus) -> str:
    """What is known just now, as names and values."""
    train = [point for point in run.losses if not point.held_out]
    held_out = [point for point in run.losses if point.held_out]
    facts: list[tuple[str, str]] = [("Runs on", run.elsewhere)] if run.elsewhere else []
    if train:
        facts.append(("Training loss", f"{train[-1].loss:.3f}, smoothed {smoothed(train)[-1].loss:.3f}"))
    if held_out:
        best = min(held_out, key=lambda point: point.loss)
        facts.append(
            ("Held-out loss", f"{held_out[-1].loss:.3f}, best {best.loss:.3f} at step {best.step:,}"),
        )
    if run.epoch is not None:
        facts.append(("Passes over the data", f"{run.epoch:.2f}"))
    speed = next((point.tokens_per_s for point in reversed(train) if point.tokens_per_s), None)
    if speed:
        facts.append(("Speed", f"{short(speed)} tokens a second"))
    if run.resumed_from is not None:
        facts.append(("Resumed", f"from step {run.resumed_from:,}"))
    cells = "".join(f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="mr-facts">{cells}</dl>' if facts else ""


def _no_curve(run: RunStatus) -> str:
    if run.state in (RunState.LOADING, RunState.TRAINING, RunState.EVALUATING):
        return '<p class="mr-note">The loss curve begins with the first measured step.</p>'
    return ""


def _checkpoints(run: RunStatus) -> str:
    if not run.checkpoints:
        return ""
    items = "".join(f"<li>{html.escape(_checkpoint_words(one))}</li>" for one in run.checkpoints)
    whole = sum(one.whole for one in run.checkpoints)
    return (
        f'<details class="mr-fold"><summary>Checkpoints: {whole:,} whole of {len(run.checkpoints):,}</summary>'
        '<p class="mr-note">A checkpoint is a saved state that a run can go on from after a stop or a fault.</p>'
        f'<ul class="mr-note">{items}</ul></details>'
    )


def _checkpoint_words(one: Checkpoint) -> str:
    if not one.whole:
        return f"Step {one.step:,}: not whole, and never used. {one.fault}".strip()
    loss = f", held-out loss {one.held_out_loss:.3f}" if one.held_out_loss is not None else ""
    return f"Step {one.step:,}: whole{loss}"


def resume_words(run: RunStatus | None) -> str:
    """From where Resume would go on, or why it cannot."""
    if run is None or not run.state.ended or run.state is RunState.COMPLETED:
        return ""
    if run.followable:
        return f"Resume looks for its job on {run.elsewhere} and goes on following it."
    if run.can_resume:
        newest = max(one.step for one in run.checkpoints if one.whole)
        return f"Resume goes on from the newest whole checkpoint, step {newest:,}."
    return f"Resume is not possible. {run.resume_blocked or 'This run has left no whole checkpoint.'}"


def stop_words(run: RunStatus | None) -> str:
    """What each of the two ways to stop keeps."""
    if run is None or run.state.ended:
        return ""
    if run.state is RunState.QUEUED:
        return "Stop takes the run out of the queue; its settings stay in the list."
    kept = max((one.step for one in run.checkpoints if one.whole), default=0)
    after = (
        f"the steps after step {kept:,} are lost"
        if kept
        else "nothing has been saved yet, so all its steps are lost"
    )
    return (
        "Stop and save ends it after this step and keeps a checkpoint and the adapter as it stands, which can be "
        f"compared or resumed. Stop ends it at once: {after}."
    )


def losses_of(run: RunStatus, held_out: bool) -> list[LossPoint]:
    return [point for point in run.losses if point.held_out is held_out]
