"""How far raters agreed, by two coefficients. Tells nothing of the arms, so it may be shown while blind."""

from collections.abc import Sequence
from dataclasses import dataclass

from medreason.figures.drawing import SIZE, WIDTH, Dot, Figure, Ink, Label, Line, Shape, minus, upright
from medreason.figures.forest import Interval

LEFT, RIGHT, TOP, ROW, FOOT = 200, 176, 44, 44, 44
LOWEST, HIGHEST = -0.25, 1.0


@dataclass(frozen=True)
class Agreed:
    """One outcome: Krippendorff's alpha and Gwet's AC2, None where there is no number."""

    name: str
    alpha: Interval | None
    ac2: Interval | None


def agreement(rows: Sequence[Agreed]) -> Figure:
    """Two dots a row, each with its interval from ten cases; 0 is chance, 1 is full agreement."""
    bottom = TOP + ROW * len(rows)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (max(LOWEST, value) - LOWEST) / (HIGHEST - LOWEST)

    shapes: list[Shape] = [Label(0, 18, "Agreement between raters", size=SIZE, bold=True)]
    for mark in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        shapes += upright(x(mark), TOP - 8, bottom, f"{mark:.1f}")
    for index, one in enumerate(rows):
        shapes.append(Label(LEFT - 16, TOP + index * ROW + 23, one.name, anchor="end"))
        for offset, sign, found, hollow in ((12, "α", one.alpha, False), (30, "AC2", one.ac2, True)):
            y = TOP + index * ROW + offset
            if found is None:
                shapes.append(Label(WIDTH - RIGHT + 14, y + 4, f"{sign} –", Ink.SUBDUED))
                continue
            if found.low is not None and found.high is not None:
                shapes.append(Line(x(found.low), y, x(found.high), y, Ink.SUBDUED, 2))
            shapes.append(Dot(x(found.value), y, 5, Ink.TEXT, hollow))
            shapes.append(Label(WIDTH - RIGHT + 14, y + 4, f"{sign} {_words(found)}", Ink.SUBDUED))
    shapes.append(Label(LEFT, bottom + 38, "0 is chance, 1 is full agreement", Ink.SUBDUED))
    said = [
        f"{one.name}: alpha {'not known' if one.alpha is None else _words(one.alpha)}, "
        f"AC2 {'not known' if one.ac2 is None else _words(one.ac2)}."
        for one in rows
    ]
    return Figure(
        name="agreement",
        title="Agreement between raters",
        alternative=" ".join(said),
        width=WIDTH,
        height=bottom + FOOT,
        shapes=tuple(shapes),
    )


def _words(found: Interval) -> str:
    if found.low is None or found.high is None:
        return minus(found.value, 2)
    return f"{minus(found.value, 2)} ({minus(found.low, 2)} to {minus(found.high, 2)})"
