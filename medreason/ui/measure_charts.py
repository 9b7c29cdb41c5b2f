"""What a run measures beside its loss: learning rate, gradient norm, speed and GPU memory, a small chart each.

Inline SVG in the text's colour with a text alternative. Pure; holds numbers only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medreason.domain.run import LossPoint
from medreason.ui.axes import Point, path, round_scale, short, whole_marks

WIDTH, HEIGHT = 240, 110
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 10, 24
MOST_POINTS = 240


@dataclass(frozen=True)
class Measure:
    """One thing that is measured a step: what it is called, its unit, and where a point keeps it."""

    name: str
    unit: str
    of: Callable[[LossPoint], float | None]


MEASURES = (
    Measure("Learning rate", "", lambda point: point.learning_rate),
    Measure("Gradient norm", "", lambda point: point.grad_norm),
    Measure("Speed", "tokens a second", lambda point: point.tokens_per_s),
    Measure("GPU memory at most", "GiB", lambda point: point.gpu_memory_gib),
)


def measure_charts(points: Sequence[LossPoint], total_steps: int) -> str:
    """A chart of every measure that has at least two points; empty where none has."""
    train = [point for point in points if not point.held_out]
    last_step = max([total_steps, 1, *(point.step for point in points)])
    drawn = [_chart(measure, _points(train, measure), last_step) for measure in MEASURES]
    shown = "".join(chart for chart in drawn if chart)
    return f'<div class="mr-charts">{shown}</div>' if shown else ""


def _points(train: Sequence[LossPoint], measure: Measure) -> list[Point]:
    found = [(float(point.step), value) for point in train if (value := measure.of(point)) is not None]
    found = [(step, value) for step, value in found if math.isfinite(value)]
    every = max(1, math.ceil(len(found) / MOST_POINTS))
    # The newest point is always drawn: it is the one that the label names.
    return found[::every] + (found[-1:] if found and (len(found) - 1) % every else [])


def _chart(measure: Measure, points: Sequence[Point], last_step: int) -> str:
    if len(points) < 2:
        return ""
    values = [value for _, value in points]
    low, high, _ = round_scale([0.0, *values], max(max(values), 1e-12) * 0.1, marks=3)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last_step

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    grid = "".join(
        f'<line class="mr-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{short(mark)}</text>'
        for mark in (low, high)
    )
    steps = "".join(
        f'<text x="{x(step):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{step:,}</text>'
        for step in whole_marks(last_step, most=2)
    )
    unit = f" {measure.unit}" if measure.unit else ""
    now = f"{short(values[-1])}{unit}"
    said = f"{measure.name} by step: {short(values[0])}{unit} at step {points[0][0]:.0f}, {now} at the newest."
    return (
        f'<figure class="mr-measure-box"><figcaption>{measure.name}: <b>{now}</b></figcaption>'
        f'<svg class="mr-chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">{grid}{steps}'
        f'<polyline class="mr-measure" points="{path(points, x, y)}"/>'
        f'<circle class="mr-newest" cx="{x(points[-1][0]):.1f}" cy="{y(values[-1]):.1f}" r="3"/></svg></figure>'
    )
