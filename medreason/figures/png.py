"""A figure as PNG, drawn by matplotlib's renderer. Characters that its font lacks become a box, never a warning.

The shapes go to the renderer itself: a plot's axes, ticks and limits are not needed here, and cost more than the
drawing.
"""

import io
import threading
from functools import cache, lru_cache
from typing import Any

import numpy as np

from medreason.figures.drawing import MARGIN, Bar, Dot, Figure, Label, Line, Shape, drawable
from medreason.figures.palette import PAPER, THEMES

DOTS_PER_PIXEL = 2
DOTS_PER_INCH = 100 * DOTS_PER_PIXEL
POINTS_PER_PIXEL = 0.72
RIM = 1.4
FONT = "DejaVu Sans"
BOX = "□"
Colour = tuple[float, ...]
# matplotlib keeps fonts and settings for the whole process.
_LOCK = threading.Lock()


def png(figure: Figure, theme: str) -> bytes:
    """The drawing at twice its size in pixels; `theme` is light or dark. The same figure gives the same bytes."""
    from matplotlib.colors import to_rgba
    from PIL import Image

    colours = {ink: to_rgba(colour) for ink, colour in THEMES[theme].items()}
    with _LOCK:
        page = _Page(figure.width + 2 * MARGIN, figure.height + 2 * MARGIN, to_rgba(PAPER[theme]))
        for shape in figure.shapes:
            page.draw(shape, colours[shape.ink])
        drawn = page.pixels()
    made = io.BytesIO()
    Image.fromarray(drawn).save(made, "PNG", dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return made.getvalue()


class _Page:
    """A sheet of `width` by `height` pixels in the colour of its paper."""

    def __init__(self, width: float, height: float, paper: Colour):
        from matplotlib.backends.backend_agg import RendererAgg
        from matplotlib.transforms import Affine2D

        rows = int(height * DOTS_PER_PIXEL)
        self._renderer = RendererAgg(int(width * DOTS_PER_PIXEL), rows, DOTS_PER_INCH)
        # Figures count downwards from their own corner, the renderer upwards from the foot of the sheet.
        self._place = (
            Affine2D().translate(MARGIN, MARGIN).scale(DOTS_PER_PIXEL, -DOTS_PER_PIXEL).translate(0, rows)
        )
        self._fill(-MARGIN, -MARGIN, width, height, paper)

    def pixels(self) -> np.ndarray:
        """(rows, columns, 3)."""
        return np.ascontiguousarray(np.asarray(self._renderer.buffer_rgba())[:, :, :3])

    def draw(self, shape: Shape, colour: Colour) -> None:
        from matplotlib.path import Path

        match shape:
            case Bar(x, y, width, height, _):
                self._fill(x, y, width, height, colour)
            case Line(x1, y1, x2, y2, _, width, dashed):
                path = Path([(x1, y1), (x2, y2)])
                self._renderer.draw_path(self._pen(colour, width * POINTS_PER_PIXEL, dashed), path, self._place)
            case Dot(x, y, radius, _, hollow):
                path, inside = Path.circle((x, y), radius), None if hollow else colour
                self._renderer.draw_path(self._pen(colour, RIM), path, self._place, inside)
            case Label():
                self._write(shape, colour)

    def _fill(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        from matplotlib.path import Path

        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        self._renderer.draw_path(self._pen(colour, 0), Path(corners, closed=True), self._place, colour)

    def _write(self, label: Label, colour: Colour) -> None:
        text, font = _written(label.text), _font(label.size, label.bold)
        left = (label.x + MARGIN) * DOTS_PER_PIXEL
        if label.anchor != "start":
            left -= _width(text, label.size, label.bold) / (1 if label.anchor == "end" else 2)
        foot = (label.y + MARGIN) * DOTS_PER_PIXEL
        self._renderer.draw_text(self._pen(colour, 1), left, foot, text, font, 0)

    def _pen(self, colour: Colour, points: float, dashed: bool = False) -> Any:
        pen = self._renderer.new_gc()
        pen.set_foreground(colour, isRGBA=True)
        pen.set_linewidth(points)
        pen.set_capstyle("butt" if dashed else "projecting")
        if dashed:
            pen.set_dashes(0, [4 * points] * 2)
        return pen


@cache
def _font(size: int, bold: bool) -> Any:
    from matplotlib.font_manager import FontProperties

    weight = "bold" if bold else "normal"
    return FontProperties(family=FONT, weight=weight, size=size * POINTS_PER_PIXEL)


@lru_cache(4096)
def _width(text: str, size: int, bold: bool) -> float:
    """In dots. Measured once: a case's name stands in several figures, and each of them in both themes."""
    from matplotlib.backends.backend_agg import RendererAgg

    return RendererAgg(1, 1, DOTS_PER_INCH).get_text_width_height_descent(text, _font(size, bold), False)[0]


def _written(text: str) -> str:
    return "".join(character if _has(character) else BOX for character in drawable(text))


@cache
def _has(character: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    return bool(get_font(findfont(FONT)).get_char_index(ord(character)))
