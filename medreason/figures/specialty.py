"""The difference between the arms by specialty, axis by axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from medreason.figures.drawing import SIZE, WIDTH, Dot, Figure, Ink, Label, Line, Shape, short, signed, upright
from medreason.figures.forest import Interval

LEFT, TOP, ROW, FOOT, GAP = 200, 72, 26, 58, 20


@dataclass(frozen=True)
class SpecialtyDifferences:
    """One specialty: its cases, and the mean difference on each axis, None where nothing was judged."""

    name: str
    n_cases: int
    differences: Sequence[Interval | None]


def by_specialty(axes: Sequence[str], rows: Sequence[SpecialtyDifferences]) -> Figure:
    """One row a specialty, one panel an axis; with an interval from ten cases."""
    panel = (WIDTH - LEFT - GAP * (len(axes) - 1)) / len(axes)
    bottom = TOP + ROW * len(rows)
    given = [one for row in rows for one in row.differences if one is not None]
    ends = [abs(end) for one in given for end in (one.value, one.low or 0.0, one.high or 0.0)]
    reach = max(1.0, *ends, 0.0)
    shapes: list[Shape] = [Label(0, 18, "Difference by specialty", size=SIZE, bold=True)]
    for index, axis in enumerate(axes):
        left = LEFT + index * (panel + GAP)
        middle = left + panel / 2
        scale = (panel / 2 - 18) / reach
        shapes.append(Label(middle, 48, axis, anchor="middle", bold=True))
        for mark in (-int(reach), 0, int(reach)):
            shapes += upright(middle + mark * scale, TOP - 8, bottom, signed(mark, 0))
        for row, one in enumerate(rows):
            y = TOP + row * ROW + ROW / 2
            found = one.differences[index]
            if found is None:
                shapes.append(Label(middle, y + 4, "–", Ink.SUBDUED, anchor="middle"))
                continue
            value = found.value
            ink = Ink.FINETUNED if value > 1e-9 else Ink.BASELINE if value < -1e-9 else Ink.SUBDUED
            if found.low is not None and found.high is not None:
                shapes.append(Line(middle + found.low * scale, y, middle + found.high * scale, y, ink, 2))
            shapes.append(Dot(middle + value * scale, y, 5, ink, hollow=ink is Ink.SUBDUED))
    for row, one in enumerate(rows):
        y = TOP + row * ROW + ROW / 2 + 4
        shapes.append(Label(LEFT - 16, y, f"{short(one.name, 20)} · {one.n_cases}", anchor="end"))
    middle = LEFT + (WIDTH - LEFT) / 2
    shapes.append(
        Label(
            middle,
            bottom + 42,
            "points, fine-tuned minus baseline; beside the name: cases",
            Ink.SUBDUED,
            anchor="middle",
        )
    )
    return Figure(
        name="by_specialty",
        title="Difference by specialty",
        alternative=" ".join(_in_words(one, axes) for one in rows),
        width=WIDTH,
        height=bottom + FOOT,
        shapes=tuple(shapes),
    )


def _in_words(row: SpecialtyDifferences, axes: Sequence[str]) -> str:
    said = [
        f"{axis.lower()} {'not judged' if found is None else found.words()}"
        for axis, found in zip(axes, row.differences, strict=True)
    ]
    return f"{row.name} ({row.n_cases} cases): {', '.join(said)}."
