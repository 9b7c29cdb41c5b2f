"""A figure as SVG: inline for the page, in its colours, or as a file of its own, light or dark.

All text is escaped, whoever wrote it. The same figure gives the same bytes.
"""

import html

from medreason.figures.drawing import MARGIN, Bar, Dot, Figure, Label, Line, Shape, drawable
from medreason.figures.palette import PAPER, THEMES

FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def inline(figure: Figure) -> str:
    """For the page: classes in place of colours, so that it is light or dark with everything around it."""
    shapes = "".join(_shape(shape, {"fill": "fig-{}", "stroke": "fig-line-{}"}) for shape in figure.shapes)
    said = html.escape(drawable(f"{figure.title}. {figure.alternative}"))
    return (
        f'<svg class="fig" viewBox="0 0 {figure.width:g} {figure.height:g}" role="img" aria-label="{said}">'
        f"{shapes}</svg>"
    )


def standalone(figure: Figure, theme: str) -> bytes:
    """For a file; `theme` is light or dark."""
    colours = THEMES[theme]
    width, height = figure.width + 2 * MARGIN, figure.height + 2 * MARGIN
    title, said = (html.escape(drawable(text)) for text in (figure.title, figure.alternative))
    shapes = "".join(_shape(shape, None, colours[shape.ink]) for shape in figure.shapes)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {-MARGIN} {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" font-family="{FONT}">'
        f"<title>{title}</title><desc>{said}</desc>"
        f'<rect x="{-MARGIN}" y="{-MARGIN}" width="{width:g}" height="{height:g}" fill="{PAPER[theme]}"/>'
        f"{shapes}</svg>\n"
    )
    return text.encode("utf-8")


def _shape(shape: Shape, classes: dict[str, str] | None, colour: str = "") -> str:
    def ink(part: str) -> str:
        return f'class="{classes[part].format(shape.ink)}"' if classes else f'{part}="{colour}"'

    match shape:
        case Bar(x, y, width, height, _):
            return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {ink("fill")}/>'
        case Line(x1, y1, x2, y2, _, width, dashed):
            dash = ' stroke-dasharray="4 4"' if dashed else ""
            ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
            return f'<line {ends} {ink("stroke")} stroke-width="{width:g}"{dash}/>'
        case Dot(x, y, radius, _, hollow):
            where = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"'
            drawn = f'{ink("stroke")} fill="none" stroke-width="2"' if hollow else ink("fill")
            return f"<circle {where} {drawn}/>"
        case Label(x, y, text, _, size, anchor, bold):
            weight = ' font-weight="600"' if bold else ""
            place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
            return f"<text {place}{weight} {ink('fill')}>{html.escape(drawable(text))}</text>"
