"""What every chart shares: round scales, marks and numbers for people. Pure; knows nothing of what is drawn."""

import math
from collections.abc import Callable, Sequence

Place = Callable[[float], float]
Point = tuple[float, float]


def round_scale(values: Sequence[float], least_span: float, marks: int = 5) -> tuple[float, float, float]:
    """Lowest and highest mark of an axis that holds `values`, and the gap between marks: round numbers, at most
    `marks` + 1 gaps. Values closer together than `least_span` are drawn as if they were that far apart."""
    low, high = min(values), max(values)
    # Beyond this a float has no digits left for the gaps.
    span = max(high - low, least_span, abs(high) * 1e-9)
    aside = (span - (high - low)) / 2
    low, high = (max(low - aside, 0.0) if low >= 0 else low - aside), high + aside
    power = 10 ** math.floor(math.log10(span / 4))
    gap = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= marks)
    return math.floor(low / gap) * gap, math.ceil(max(high, low + gap / 2) / gap) * gap, gap


def marks_of(low: float, high: float, gap: float) -> list[float]:
    """The marks of a scale, both ends included."""
    return [low + index * gap for index in range(round((high - low) / gap) + 1)]


def whole_marks(last: float, most: int = 6) -> list[int]:
    """Round whole numbers from 0 to `last`, at most `most` and one."""
    top = max(1, math.ceil(last))
    power = 10 ** math.floor(math.log10(top))
    gaps = (power // 5 or 1, power // 2 or 1, power, power * 2, power * 5, power * 10)
    gap = next(gap for gap in gaps if top / gap <= most)
    return list(range(0, top + 1, gap))


def decimals_of(gap: float) -> int:
    """Digits after the point that tell marks `gap` apart."""
    return max(0, -math.floor(math.log10(gap) + 1e-9))


def short(value: float) -> str:
    """A number in three digits: "1,234", "12.3", "0.0002", "3e-07"."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 0.0001:
        decimals = max(0, 2 - math.floor(math.log10(size)))
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.2g}"


def path(points: Sequence[Point], x: Place, y: Place) -> str:
    """The `points` attribute of a line."""
    return " ".join(f"{x(one):.1f},{y(other):.1f}" for one, other in points)


def spread(heights: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Where labels stand that want to stand at `heights`: at least `gap` apart, between `top` and `bottom`
    where there is room for all."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    placed = list(heights)
    for rank, index in enumerate(order):
        least = placed[order[rank - 1]] + gap if rank else top
        placed[index] = max(heights[index], least)
    for rank, index in reversed(list(enumerate(order))):
        most = placed[order[rank + 1]] - gap if rank + 1 < len(order) else bottom
        placed[index] = min(placed[index], most)
    return placed
