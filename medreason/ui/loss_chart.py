"""The loss curve as inline SVG in the text's colour, with a text alternative. Pure; holds numbers only."""

import math
from collections.abc import Callable, Sequence

from medreason.domain.training import LossPoint

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 44, 112, 34, 44
SMOOTH_OVER = 10
MOST_POINTS = 600

Place = Callable[[float], float]


def loss_chart(points: Sequence[LossPoint], total_steps: int) -> str:
    """Training loss as a line, a calmer line of its mean over ten points, and the held-out rows as dots."""
    train = [point for point in points if not point.held_out][-20_000:]
    held_out = [point for point in points if point.held_out]
    if not train and not held_out:
        return ""
    every = max(1, math.ceil(len(train) / MOST_POINTS))
    last_step = max([total_steps, 1, *(point.step for point in points)])
    low, high, gap = _scale([point.loss for point in (*train, *held_out)])

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / last_step

    def y(loss: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low)

    parts = [_axes(x, y, low, high, gap, last_step)]
    calm = _means(train)
    if len(train) > SMOOTH_OVER:
        parts.append(f'<polyline class="mr-loss-raw" points="{_path(train[::every], x, y)}"/>')
    if len(calm) > 1:
        parts.append(f'<polyline class="mr-loss-train" points="{_path(calm[::every], x, y)}"/>')
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


def _scale(losses: Sequence[float]) -> tuple[float, float, float]:
    """Lowest and highest mark of the loss axis and the gap between marks: round numbers, three to six marks."""
    low, high = min(losses), max(losses)
    span = max(high - low, 0.1)
    power = 10 ** math.floor(math.log10(span / 4))
    gap = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 5)
    return math.floor(low / gap) * gap, math.ceil(max(high, low + gap / 2) / gap) * gap, gap


def _axes(x: Place, y: Place, low: float, high: float, gap: float, last_step: int) -> str:
    drawn = []
    decimals = max(0, -math.floor(math.log10(gap) + 1e-9))
    for index in range(round((high - low) / gap) + 1):
        loss = low + index * gap
        drawn.append(
            f'<line class="mr-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.{decimals}f}</text>'
        )
    for step in _step_marks(last_step):
        drawn.append(f'<text x="{x(step):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{step:,}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    drawn.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">step</text>')
    drawn.append('<text x="0" y="14">loss (nats a token)</text>')
    return "".join(drawn)


def _step_marks(last: int) -> list[int]:
    power = 10 ** math.floor(math.log10(max(last, 1)))
    gap = next(g for g in (power // 5 or 1, power // 2 or 1, power, power * 2, power * 5) if last / g <= 6)
    return list(range(0, last + 1, gap))


def _means(train: Sequence[LossPoint]) -> list[LossPoint]:
    """The mean of each point and up to nine before it; the points themselves where there are few."""
    if len(train) <= SMOOTH_OVER:
        return list(train)
    means = []
    for index in range(len(train)):
        window = train[max(0, index - SMOOTH_OVER + 1) : index + 1]
        means.append(LossPoint(train[index].step, sum(point.loss for point in window) / len(window)))
    return means[SMOOTH_OVER // 2 :]


def _path(points: Sequence[LossPoint], x: Place, y: Place) -> str:
    return " ".join(f"{x(point.step):.1f},{y(point.loss):.1f}" for point in points)


def _labels(calm: Sequence[LossPoint], held_out: Sequence[LossPoint], x: Place, y: Place) -> str:
    """A name beside the end of each line, kept apart where the ends lie close together."""
    ends: list[tuple[float, float, str, str]] = []
    if calm:
        ends.append((x(calm[-1].step), y(calm[-1].loss), "training", ""))
    if held_out:
        last = held_out[-1]
        ends.append((x(last.step), y(last.loss), "held-out rows", " mr-loss-name"))
    if len(ends) == 2 and abs(ends[0][1] - ends[1][1]) < 16 and abs(ends[0][0] - ends[1][0]) < 100:
        upper, lower = sorted(ends, key=lambda end: end[1])
        ends = [(upper[0], upper[1] - 8, *upper[2:]), (lower[0], lower[1] + 8, *lower[2:])]
    return "".join(
        f'<text class="mr-end{kind}" x="{at_x + 10:.1f}" y="{at_y + 4:.1f}">{name}</text>'
        for at_x, at_y, name, kind in ends
    )
