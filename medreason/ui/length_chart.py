"""How long the rows are, as inline SVG: the whole row with the cut-off drawn, then question, thinking and answer.

Each chart says in words what it shows. Pure; holds numbers only.
"""

import html
from collections.abc import Sequence

from medreason.domain.dataset import Lengths
from medreason.text.lengths import cut_off, cut_off_sentence, histogram, quantiles
from medreason.ui.axes import Place, whole_marks

BARS = 40
PARTS = (("Question", "question"), ("Thinking", "thinking"), ("Answer", "answer"))


def length_charts(lengths: Lengths, cut_at: int) -> str:
    """The whole rows with their median, 95th percentile and the cut-off at `cut_at` tokens; below, on one
    common scale, the three parts alone."""
    if not lengths.whole:
        return ""
    whole = _histogram("Whole row, as the model meets it", lengths.whole, _reach(lengths.whole, cut_at), cut_at)
    reach = max(_reach(getattr(lengths, name)) for _, name in PARTS)
    small = "".join(_histogram(title, getattr(lengths, name), reach) for title, name in PARTS)
    return f'<div class="mr-lengths">{whole}<div class="mr-charts">{small}</div></div>'


def cut_sentences(lengths: Lengths, cuts: Sequence[int]) -> str:
    """What each cut-off does to the rows, in words."""
    items = "".join(f"<li>{html.escape(cut_off_sentence(cut_off(lengths, at)))}</li>" for at in cuts)
    return f'<ul class="mr-note mr-cuts">{items}</ul>'


def _reach(values: Sequence[int], cut_at: int = 0) -> int:
    """Where the axis ends: at the longest row, but a few very long ones do not squeeze all others."""
    typical = quantiles(values).p95 * 2
    return int(max(1, cut_at * 1.1, min(max(values), typical)))


def _histogram(title: str, values: Sequence[int], reach: int, cut_at: int = 0) -> str:
    large = bool(cut_at)
    width, height = (640, 260) if large else (220, 140)
    left, right, top, bottom = 44 if large else 34, 16, 96 if large else 30, 40 if large else 26
    found = quantiles(values)
    bars = histogram([min(value, reach) for value in values], BARS)
    beyond = sum(value > reach for value in values)
    highest = max(bar.count for bar in bars)

    def x(tokens: float) -> float:
        return left + (width - left - right) * min(1.0, tokens / (reach + 1))

    def y(count: float) -> float:
        return top + (height - top - bottom) * (1 - count / highest)

    drawn = [f'<text class="mr-title" x="0" y="14">{title}</text>']
    for mark in whole_marks(highest, most=3):
        drawn.append(
            f'<line class="mr-grid" x1="{left}" x2="{width - right}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
            f'<text x="{left - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:,}</text>'
        )
    for bar in bars:
        if bar.count:
            kind = "mr-bin-cut" if large and bar.start >= cut_at else "mr-bin"
            drawn.append(
                f'<rect class="{kind}" x="{x(bar.start):.1f}" y="{y(bar.count):.1f}" '
                f'width="{max(1.0, x(bar.end) - x(bar.start) - 1):.1f}" '
                f'height="{height - bottom - y(bar.count):.1f}"/>'
            )
    for mark in whole_marks(reach, most=6 if large else 3):
        drawn.append(f'<text x="{x(mark):.1f}" y="{height - bottom + 16}" text-anchor="middle">{mark:,}</text>')
    if large:
        middle = left + (width - left - right) / 2
        drawn.append(f'<text x="{middle:.0f}" y="{height - 6}" text-anchor="middle">tokens</text>')
        drawn.append(_lines(found.median, found.p95, cut_at, x, (top, height - bottom), width))
    said = (
        f"{title}: median {found.median:,.0f} tokens, 95th percentile {found.p95:,.0f}, largest {found.largest:,}."
    )
    if beyond:
        said += f" {beyond:,} longer than {reach:,} are counted in the last bar."
    if large:
        over = sum(value > cut_at for value in values)
        said += f" Longer than the cut-off of {cut_at:,} tokens: {over:,} of {len(values):,} rows."
    caption = "" if large else f'<p class="mr-note">Median {found.median:,.0f}, 95 % up to {found.p95:,.0f}</p>'
    return (
        f'<div><svg class="mr-chart" viewBox="0 0 {width} {height}" role="img" aria-label="{said}">'
        f"{''.join(drawn)}</svg>{caption}</div>"
    )


def _lines(median: float, p95: float, cut_at: int, x: Place, span: tuple[float, float], width: int) -> str:
    """Median, 95th percentile and cut-off as upright lines, each named above the bars on a line of its own."""
    top, bottom = span
    marks = sorted(
        [(median, f"median {median:,.0f}", ""), (p95, f"95 % up to {p95:,.0f}", "")]
        + [(cut_at, f"cut off at {cut_at:,}", " mr-cut")],
        key=lambda mark: mark[0],
    )
    heights = (top - 64, top - 46, top - 28)
    drawn = []
    for (at, words, kind), height in zip(marks, heights, strict=True):
        place = x(at)
        left_of = place > width * 0.72
        drawn.append(
            f'<line class="mr-mark{kind}" x1="{place:.1f}" x2="{place:.1f}" y1="{height:.1f}" y2="{bottom}"/>'
            f'<text class="mr-mark-name{kind}" x="{place + (-6 if left_of else 6):.1f}" y="{height + 10:.1f}" '
            f'text-anchor="{"end" if left_of else "start"}">{words}</text>'
        )
    return "".join(drawn)
