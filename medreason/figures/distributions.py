"""How often each score was given to either arm, axis by axis, back to back."""

from collections.abc import Sequence
from dataclasses import dataclass

from medreason.figures.drawing import SIZE, WIDTH, Bar, Figure, Ink, Label, Line, Shape, percent

TOP, ROW, PANEL_GAP = 76, 30, 24


@dataclass(frozen=True)
class Scores:
    """One axis: how many ratings gave each point, lowest point first, and the mean of each arm."""

    name: str
    points: Sequence[int]
    baseline: Sequence[int]
    finetuned: Sequence[int]
    baseline_mean: float
    finetuned_mean: float


def distributions(axes: Sequence[Scores]) -> Figure:
    """One panel an axis: the baseline's scores to the left, the fine-tuned model's to the right."""
    height = TOP + ROW * max(len(axis.points) for axis in axes) + 34
    panel = (WIDTH - PANEL_GAP * (len(axes) - 1)) / len(axes)
    shapes: list[Shape] = []
    for index, axis in enumerate(axes):
        shapes += _panel(axis, index * (panel + PANEL_GAP), panel, height)
    return Figure(
        name="distributions",
        title="How often each score was given",
        alternative=" ".join(map(_in_words, axes)),
        width=WIDTH,
        height=height,
        shapes=tuple(shapes),
    )


def _panel(axis: Scores, left: float, width: float, height: float) -> list[Shape]:
    middle, bottom = left + width / 2, height - 34
    totals = max(1, sum(axis.baseline)), max(1, sum(axis.finetuned))
    shares = [
        (b / totals[0], f / totals[1], point)
        for b, f, point in zip(axis.baseline, axis.finetuned, axis.points, strict=True)
    ]
    longest = max(max(b, f) for b, f, _ in shares) or 1
    reach = width / 2 - 12 - 46
    shapes: list[Shape] = [
        Label(middle, 18, axis.name, size=SIZE, anchor="middle", bold=True),
        Label(middle - 14, 44, "Baseline", Ink.BASELINE, anchor="end", bold=True),
        Label(middle + 14, 44, "Fine-tuned", Ink.FINETUNED, bold=True),
        Label(middle - 14, 60, f"mean {axis.baseline_mean:.2f}", Ink.SUBDUED, anchor="end"),
        Label(middle + 14, 60, f"mean {axis.finetuned_mean:.2f}", Ink.SUBDUED),
        Line(left, bottom, left + width, bottom),
        Label(middle, bottom + 18, "score", Ink.SUBDUED, anchor="middle"),
    ]
    for row, (b, f, point) in enumerate(reversed(shares)):
        y = TOP + row * ROW
        shapes.append(Label(middle, y + 17, str(point), anchor="middle"))
        shapes.append(Bar(middle - 12 - reach * b / longest, y + 3, reach * b / longest, ROW - 8, Ink.BASELINE))
        shapes.append(Bar(middle + 12, y + 3, reach * f / longest, ROW - 8, Ink.FINETUNED))
        shapes.append(Label(middle - 16 - reach * b / longest, y + 17, percent(b), Ink.SUBDUED, anchor="end"))
        shapes.append(Label(middle + 16 + reach * f / longest, y + 17, percent(f), Ink.SUBDUED))
    return shapes


def _in_words(axis: Scores) -> str:
    best = axis.points[-1]
    b, f = (given[-1] / max(1, sum(given)) for given in (axis.baseline, axis.finetuned))
    return (
        f"{axis.name}: baseline mean {axis.baseline_mean:.2f}, {percent(b)} at {best}; "
        f"fine-tuned mean {axis.finetuned_mean:.2f}, {percent(f)} at {best}."
    )
