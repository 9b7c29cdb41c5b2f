"""What a figure is made of: a few shapes in pixels, each in the ink of its meaning, and the same in words.

The same value becomes SVG for the page, SVG for a file and PNG. Ink names what a shape stands for; which
colour that is, light or dark, is known to `palette` alone. While a study is blind no figure uses an arm's ink.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

WIDTH = 720
SIZE, SMALL = 14, 12
MARGIN = 16
LONGEST_LABEL = 24
UNDRAWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]")


class Ink(StrEnum):
    TEXT = "text"
    SUBDUED = "subdued"
    LINE = "line"
    BASELINE = "baseline"
    FINETUNED = "finetuned"


ARM_INKS = (Ink.BASELINE, Ink.FINETUNED)


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    ink: Ink


@dataclass(frozen=True, slots=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    ink: Ink = Ink.LINE
    width: float = 1
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    radius: float
    ink: Ink
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """`anchor`: start, middle or end; `y` is the text's baseline. `text` is drawn as it is, never parsed."""

    x: float
    y: float
    text: str
    ink: Ink = Ink.TEXT
    size: int = SMALL
    anchor: str = "start"
    bold: bool = False


Shape = Bar | Line | Dot | Label


@dataclass(frozen=True)
class Figure:
    """`name` is the name of its file; `alternative` says in words what the drawing shows."""

    name: str
    title: str
    alternative: str
    width: float
    height: float
    shapes: tuple[Shape, ...]

    @property
    def shows_arms(self) -> bool:
        return any(shape.ink in ARM_INKS for shape in self.shapes)


def drawable(text: str) -> str:
    """Text without what no figure can hold: control characters and marks that turn the direction of reading."""
    return UNDRAWABLE.sub(" ", text)


def short(text: str, longest: int = LONGEST_LABEL) -> str:
    """A name that fits beside a row."""
    plain = " ".join(drawable(text).split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def minus(number: float, decimals: int) -> str:
    """With a true minus, as the tables have it."""
    rounded = round(number, decimals)
    return f"{'−' if rounded < 0 else ''}{abs(rounded):.{decimals}f}"


def signed(number: float, decimals: int) -> str:
    return f"{'+' if round(number, decimals) > 0 else ''}{minus(number, decimals)}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def round_top(value: float) -> tuple[float, float]:
    """End of an axis from 0 that holds `value`, and the gap between its marks: round, at most five gaps."""
    gap = 1.0
    while value > 5 * gap:
        gap *= 2 if str(gap)[0] in "15" else 2.5
    return gap * max(1, -(-value // gap)), gap


def upright(x: float, top: float, bottom: float, text: str) -> Sequence[Shape]:
    """A mark of a horizontal axis: a thin line with its number below."""
    return (Line(x, top, x, bottom), Label(x, bottom + 16, text, Ink.SUBDUED, anchor="middle"))
