"""The loss curve as inline SVG in the text's colour, with a text alternative. Pure; holds numbers only."""

import math
from collections.abc import Sequence

from medreason.domain.run import LossPoint
from medreason.ui.axes import Place, decimals_of, marks_of, path, round_scale, spread, whole_marks

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 44, 112, 34, 44
SMOOTH_OVER = 10
MOST_POINTS = 600
LEAST_SPAN = 0.1


def loss_chart(points: Sequence[LossPoint], total_steps: int) -> str:
    """Training loss as a line, a calmer line of its mean over ten points, and the held-out rows as dots."""
    train = [point for point in points if not point.held_out][-20_000:]
    held_out = [point for point in points if point.held_out]
    if not train and not held_out:
        return ""
    every = max(1, math.ceil(len(train) / MOST_POINTS))
    last_step = max([total_steps, 1, *(point.step for point in points)])
    low, high, gap = round_scale([point.loss for point in (*train, *held_out)], LEAST_SPAN)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last_step

    def y(loss: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low)

    parts = [_axes(x, y, (low, high, gap), last_step)]
    calm = smoothed(train)
    if len(train) > SMOOTH_OVER:
        parts.append(f'<polyline class="mr-loss-raw" points="{_line(train[::every], x, y)}"/>')
    if len(calm) > 1:
        parts.append(f'<polyline class="mr-loss-train" points="{_line(calm[::every], x, y)}"/>')
    if len(held_out) > 1:
        parts.append(f'<polyline class="mr-loss-between" points="{_line(held_out, x, y)}"/>')
    parts.extend(
        f'<circle class="mr-loss-held-out" cx="{x(point.step):.1f}" cy="{y(point.loss):.1f}" r="5"/>'
        for point in held_out
    )
    parts.append(_labels(calm, held_out, x, y))
    return (
        f'<svg class="mr-chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{alternative(train, held_out)}">{"".join(parts)}</svg>'
    )


def alternative(train: Sequence[LossPoint], held_out: Sequence[LossPoint]) -> str:
    """The chart in words."""
    said = []
    if train:
        one, other = train[0], train[-1]
        said.append(f"Training loss {one.loss:.2f} at step {one.step}, {other.loss:.2f} at step {other.step}.")
    if held_out:
        first, last = held_out[0], held_out[-1]
        said.append(f"Loss on held-out rows {first.loss:.2f} at step {first.step}")
        said[-1] += f", {last.loss:.2f} at step {last.step}." if last is not first else "."
    return "Loss by step. " + " ".join(said)


def smoothed(train: Sequence[LossPoint]) -> list[LossPoint]:
    """The mean of each point and up to nine before it; the points themselves where there are few."""
    if len(train) <= SMOOTH_OVER:
        return list(train)
    means = []
    for index in range(len(train)):
        window = train[max(0, index - SMOOTH_OVER + 1) : index + 1]
        means.append(LossPoint(train[index].step, sum(point.loss for point in window) / len(window)))
    return means[SMOOTH_OVER // 2 :]


def _axes(x: Place, y: Place, scale: tuple[float, float, float], last_step: int) -> str:
    drawn = []
    decimals = decimals_of(scale[2])
    for loss in marks_of(*scale):
        drawn.append(
            f'<line class="mr-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.{decimals}f}</text>'
        )
    for step in whole_marks(last_step):
        drawn.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step:,}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    drawn.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">step</text>')
    drawn.append('<text x="0" y="14">loss (nats a token)</text>')
    return "".join(drawn)


def _line(points: Sequence[LossPoint], x: Place, y: Place) -> str:
    return path([(point.step, point.loss) for point in points], x, y)


def _labels(calm: Sequence[LossPoint], held_out: Sequence[LossPoint], x: Place, y: Place) -> str:
    """A name beside the end of each line, kept apart where the ends lie close together."""
    ends: list[tuple[float, float, str, str]] = []
    if calm:
        ends.append((x(calm[-1].step), y(calm[-1].loss), "training", ""))
    if held_out:
        last = held_out[-1]
        ends.append((x(last.step), y(last.loss), "held-out rows", " mr-loss-name"))
    near = len(ends) == 2 and abs(ends[0][0] - ends[1][0]) < 100
    heights = spread([end[1] for end in ends], 16 if near else 0, TOP, HEIGHT - BOTTOM)
    return "".join(
        f'<text class="mr-end{kind}" x="{at_x + 10:.1f}" y="{at_y + 4:.1f}">{name}</text>'
        for (at_x, _, name, kind), at_y in zip(ends, heights, strict=True)
    )
