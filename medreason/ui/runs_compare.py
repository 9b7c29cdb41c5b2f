"""Two or more runs side by side: their curves on one chart, what came of them, and their settings.

Pure: no service, no state. All free text is escaped here. Runs have letters, so that a long name needs no legend.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from medreason.domain.run import LossPoint, RunStatus
from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.ui.axes import Point, decimals_of, marks_of, path, round_scale, short, spread, whole_marks
from medreason.ui.loss_chart import smoothed
from medreason.ui.run_view import WORDS, duration

MOST_RUNS = 6
WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 36, 34, 40
MOST_POINTS = 400
# Where two runs differ in one of these, their held-out losses are not about the same rows or tokens.
OF_HELD_OUT = (
    *("base_model", "data", "data_config", "data_revision", "columns", "skip_faulty_rows", "min_thinking_chars"),
    *("drop_duplicates", "max_rows", "eval_fraction", "max_length", "text_format", "seed"),
)
CHOOSE = (
    '<p class="mr-note">Choose two or more runs to see their curves on one chart and their settings side by '
    "side.</p>"
)


@dataclass(frozen=True)
class Compared:
    """One run of the comparison; `config` is None where its file cannot be read any more."""

    letter: str
    run: RunStatus
    config: TrainingConfig | None


def comparison(runs: Sequence[RunStatus], configs: Sequence[TrainingConfig | None], differences_only: bool) -> str:
    """Curves and tables of the first six of `runs`, each with its configuration."""
    if len(runs) < 2:
        return CHOOSE
    pairs = list(zip(runs, configs, strict=True))[:MOST_RUNS]
    compared = [Compared("ABCDEF"[index], run, config) for index, (run, config) in enumerate(pairs)]
    held_out = [(one.letter, _points(one.run, held_out=True)) for one in compared]
    train = [(one.letter, _points(one.run, held_out=False)) for one in compared]
    left_out = len(runs) - len(compared)
    note = f'<p class="mr-note">The first {MOST_RUNS} runs are shown.</p>' if left_out else ""
    return (
        f'<div class="mr-compared">{note}<div class="mr-charts mr-charts-wide">'
        f"{_overlay('Loss on held-out rows', held_out, dots=True)}"
        f"{_overlay('Training loss, mean of ten points', train, dots=False)}</div>"
        f"{_fairness(compared)}{_table(compared, differences_only)}</div>"
    )


def _points(run: RunStatus, held_out: bool) -> list[Point]:
    points: Sequence[LossPoint] = [point for point in run.losses if point.held_out is held_out]
    if not held_out:
        points = smoothed(points)
    every = max(1, -(-len(points) // MOST_POINTS))
    return [(float(point.step), point.loss) for point in points][::every]


def _overlay(title: str, curves: Sequence[tuple[str, Sequence[Point]]], dots: bool) -> str:
    drawn_curves = [(index, letter, points) for index, (letter, points) in enumerate(curves) if points]
    if not drawn_curves:
        return ""
    every = [point for _, _, points in drawn_curves for point in points]
    last_step = max(1.0, *(step for step, _ in every))
    scale = low, high, gap = round_scale([loss for _, loss in every], 0.1)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last_step

    def y(loss: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low)

    parts = [f'<text class="mr-title" x="0" y="14">{title} (nats a token)</text>']
    for mark in marks_of(*scale):
        parts.append(
            f'<line class="mr-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:.{decimals_of(gap)}f}</text>'
        )
    for step in whole_marks(last_step):
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{step:,}</text>')
    parts.append(
        f'<text x="{LEFT + (WIDTH - LEFT - RIGHT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">step</text>'
    )
    ends = spread([y(points[-1][1]) for _, _, points in drawn_curves], 15, TOP, HEIGHT - BOTTOM)
    said = []
    for (index, letter, points), end in zip(drawn_curves, ends, strict=True):
        kind = f"mr-curve mr-curve-{index}"
        parts.append(f'<polyline class="{kind}" points="{path(points, x, y)}"/>')
        if dots or len(points) == 1:
            parts.extend(f'<circle class="{kind}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="4"/>' for a, b in points)
        parts.append(
            f'<text class="mr-curve-name mr-curve-{index}" x="{x(points[-1][0]) + 9:.1f}" '
            f'y="{end + 4:.1f}">{letter}</text>'
        )
        said.append(f"{letter} from {points[0][1]:.2f} to {points[-1][1]:.2f} at step {points[-1][0]:,.0f}")
    return (
        f'<svg class="mr-chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{title} by step. {"; ".join(said)}.">{"".join(parts)}</svg>'
    )


def _fairness(compared: Sequence[Compared]) -> str:
    """Whether the held-out losses are about the same rows, as far as the settings tell."""
    configs = [one.config for one in compared]
    known = [config for config in configs if config is not None]
    if len(known) < len(configs):
        text = "The settings of one run cannot be read, so it is not known whether the losses may be compared."
        return f'<p class="mr-note">{text}</p>'
    apart = [
        one.label
        for one in settings_of(TrainingConfig)
        if one.name in OF_HELD_OUT and len({getattr(config, one.name) for config in known}) > 1
    ]
    if not apart:
        return '<p class="mr-note">All hold out the same rows, so their held-out losses may be compared.</p>'
    return (
        '<p class="mr-note">Their held-out losses are about different rows or tokens and cannot be compared '
        f"directly: the runs differ in {html.escape(', '.join(apart))}.</p>"
    )


def _table(compared: Sequence[Compared], differences_only: bool) -> str:
    head = "".join(
        f'<th scope="col"><span class="mr-curve-name mr-curve-{index}">{one.letter}</span> '
        f"{html.escape(one.run.shown_name)}</th>"
        for index, one in enumerate(compared)
    )
    results = [
        ("State", [WORDS[one.run.state] for one in compared]),
        ("Steps", [f"{one.run.step:,} of {one.run.total_steps:,}" for one in compared]),
        ("Training loss, last", [_loss(one.run, held_out=False, best=False) for one in compared]),
        ("Held-out loss, last", [_loss(one.run, held_out=True, best=False) for one in compared]),
        ("Held-out loss, best", [_loss(one.run, held_out=True, best=True) for one in compared]),
        ("Time", [duration(one.run.elapsed_s) if one.run.elapsed_s else "–" for one in compared]),
        ("Tokens a second, middle", [_middle_speed(one.run) for one in compared]),
        ("GPU memory, highest", [_memory(one.run) for one in compared]),
    ]
    settings = [
        (one.label, [_value(getattr(other.config, one.name)) if other.config else "–" for other in compared])
        for one in settings_of(TrainingConfig)
        if one.name != "run_name"
    ]
    alike = [row for row in settings if len(set(row[1])) == 1]
    shown = [row for row in settings if not differences_only or len(set(row[1])) > 1]
    note = f"{len(alike)} settings are the same in all and left out." if differences_only and alike else ""
    if differences_only and not shown:
        note = "All settings are the same."
    return (
        '<div class="mr-scroll" tabindex="0" role="region" aria-label="Runs compared">'
        f'<table class="mr-table mr-runs mr-side"><thead><tr><th scope="col">Result</th>{head}</tr></thead>'
        f"<tbody>{_rows(results, mark=False)}</tbody>"
        f'<thead><tr><th scope="col">Setting</th>{"<td></td>" * len(compared)}</tr></thead>'
        f"<tbody>{_rows(shown, mark=not differences_only)}</tbody></table></div>"
        f'<p class="mr-note">{note}</p>'
    )


def _rows(rows: Sequence[tuple[str, Sequence[str]]], mark: bool) -> str:
    """Table rows; with `mark`, those whose values differ are set apart by weight and a sign."""
    drawn = []
    for label, values in rows:
        apart = mark and len(set(values)) > 1
        sign = ' <span title="differs">≠</span>' if apart else ""
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        kind = ' class="mr-apart"' if apart else ""
        drawn.append(f'<tr{kind}><th scope="row">{html.escape(label)}{sign}</th>{cells}</tr>')
    return "".join(drawn)


def _loss(run: RunStatus, held_out: bool, best: bool) -> str:
    points = [point for point in run.losses if point.held_out is held_out]
    if not points:
        return "–"
    if best:
        point = min(points, key=lambda one: one.loss)
        return f"{point.loss:.3f} at step {point.step:,}"
    return f"{(points if held_out else smoothed(points))[-1].loss:.3f}"


def _middle_speed(run: RunStatus) -> str:
    speeds = sorted(point.tokens_per_s for point in run.losses if point.tokens_per_s)
    return short(speeds[len(speeds) // 2]) if speeds else "–"


def _memory(run: RunStatus) -> str:
    found = [point.gpu_memory_gib for point in run.losses if point.gpu_memory_gib]
    return f"{max(found):.1f} GiB" if found else "–"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value) or "–"
