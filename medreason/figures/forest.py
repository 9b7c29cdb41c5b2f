"""The difference between the arms in every case, and their mean with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from medreason.figures.drawing import (
    SIZE,
    WIDTH,
    Dot,
    Figure,
    Ink,
    Label,
    Line,
    Shape,
    minus,
    short,
    signed,
    upright,
)

LEFT, RIGHT, TOP, ROW, FOOT = 190, 92, 66, 15, 74
FEWEST = 2.0


@dataclass(frozen=True)
class CaseDifference:
    """One case: mean difference over its raters, and the lowest and highest that one rater gave."""

    case: str
    difference: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Interval:
    value: float
    low: float | None = None
    high: float | None = None

    def words(self, decimals: int = 2) -> str:
        if self.low is None or self.high is None:
            return signed(self.value, decimals)
        return f"{signed(self.value, decimals)} ({minus(self.low, decimals)} to {minus(self.high, decimals)})"


def forest(outcome: str, name: str, cases: Sequence[CaseDifference], overall: Interval) -> Figure:
    """One row a case, the most in favour of the fine-tuned model on top; the mean over cases below a line."""
    rows = sorted(cases, key=lambda one: (-one.difference, one.case))
    reach = max(FEWEST, *(abs(value) for one in rows for value in (one.lowest, one.highest)))
    bottom = TOP + ROW * len(rows) + 8
    height = bottom + FOOT

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value + reach) / (2 * reach)

    shapes: list[Shape] = [
        Label(0, 18, f"{name}: difference in every case", size=SIZE, bold=True),
        Label(x(0) - 12, 50, "← baseline better", Ink.BASELINE, anchor="end"),
        Label(x(0) + 12, 50, "fine-tuned better →", Ink.FINETUNED),
    ]
    step = 1 if reach <= 4 else 2
    whole = int(reach)
    for mark in range(-whole + whole % step, whole + 1, step):
        shapes += upright(x(mark), TOP - 6, bottom + 26, signed(mark, 0))
    shapes.append(Line(x(0), TOP - 6, x(0), bottom + 26, Ink.SUBDUED))
    for index, one in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        ink = Ink.FINETUNED if one.difference > 1e-9 else Ink.BASELINE if one.difference < -1e-9 else Ink.SUBDUED
        shapes.append(Label(LEFT - 12, y + 4, short(one.case), Ink.SUBDUED, anchor="end"))
        if one.highest > one.lowest:
            shapes.append(Line(x(one.lowest), y, x(one.highest), y, ink))
        shapes.append(Dot(x(one.difference), y, 4, ink, hollow=ink is Ink.SUBDUED))
    y = bottom + 12
    shapes.append(Line(0, bottom, WIDTH, bottom))
    shapes.append(Label(LEFT - 12, y + 5, "mean over cases", anchor="end", bold=True))
    if overall.low is not None and overall.high is not None:
        shapes.append(Line(x(overall.low), y, x(overall.high), y, Ink.TEXT, 2))
    shapes.append(Dot(x(overall.value), y, 5, Ink.TEXT))
    shapes.append(Label(WIDTH, y + 5, signed(overall.value, 2), anchor="end", bold=True))
    shapes.append(Label(x(0), height - 8, "points, fine-tuned minus baseline", Ink.SUBDUED, anchor="middle"))
    better, worse = (sum(sign * one.difference > 1e-9 for one in rows) for sign in (1, -1))
    return Figure(
        name=f"forest_{outcome}",
        title=f"{name}: difference in every case",
        alternative=(
            f"Of {len(rows)} cases the fine-tuned model was higher in {better}, the baseline in {worse}, "
            f"even in {len(rows) - better - worse}. Mean difference {overall.words()}. "
            "A thin line joins the lowest and the highest rater of a case."
        ),
        width=WIDTH,
        height=height,
        shapes=tuple(shapes),
    )
