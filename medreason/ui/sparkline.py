"""A curve in the size of a word, for a row of a table. Pure; holds numbers only."""

from collections.abc import Sequence

from medreason.domain.run import LossPoint
from medreason.ui.axes import path

WIDTH, HEIGHT, EDGE = 96, 24, 3
MOST_POINTS = 48


def sparkline(points: Sequence[LossPoint]) -> str:
    """The training loss from the first step to the last, a dot at its end; empty with fewer than two points."""
    train = sorted((point for point in points if not point.held_out), key=lambda point: point.step)
    if len(train) < 2:
        return ""
    shown = [_mean(train[at : at + _chunk(train)]) for at in range(0, len(train), _chunk(train))]
    if len(shown) < 2:
        return ""
    steps, losses = [step for step, _ in shown], [loss for _, loss in shown]
    low, span = min(losses), (max(losses) - min(losses)) or 1.0
    first, reach = steps[0], (steps[-1] - steps[0]) or 1.0

    def x(step: float) -> float:
        return EDGE + (WIDTH - 2 * EDGE) * (step - first) / reach

    def y(loss: float) -> float:
        return HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (loss - low) / span

    said = f"Training loss from {losses[0]:.2f} to {losses[-1]:.2f}"
    return (
        f'<svg class="mr-spark" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{said}"><polyline points="{path(shown, x, y)}"/>'
        f'<circle cx="{x(steps[-1]):.1f}" cy="{y(losses[-1]):.1f}" r="2.5"/></svg>'
    )


def _chunk(points: Sequence[LossPoint]) -> int:
    return max(1, -(-len(points) // MOST_POINTS))


def _mean(points: Sequence[LossPoint]) -> tuple[float, float]:
    return float(points[-1].step), sum(point.loss for point in points) / len(points)
