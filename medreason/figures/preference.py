"""Which answer was preferred, and how clearly."""

from collections.abc import Mapping

from medreason.figures.drawing import SIZE, WIDTH, Bar, Figure, Ink, Label, Shape, percent

LEFT, TOP, ROW = 210, 40, 32
WORDS = {
    3: "Fine-tuned much better",
    2: "Fine-tuned better",
    1: "Fine-tuned slightly better",
    0: "About the same",
    -1: "Baseline slightly better",
    -2: "Baseline better",
    -3: "Baseline much better",
}


def preference(counts: Mapping[int, int]) -> Figure:
    """`counts`: comparisons by preference, 3 (fine-tuned much better) to −3."""
    total, most = sum(counts.values()), max([1, *counts.values()])
    reach = WIDTH - LEFT - 96
    shapes: list[Shape] = [Label(0, 18, "Overall preference", size=SIZE, bold=True)]
    for row, (point, words) in enumerate(WORDS.items()):
        n, y = counts.get(point, 0), TOP + row * ROW
        ink = Ink.FINETUNED if point > 0 else Ink.BASELINE if point < 0 else Ink.SUBDUED
        shapes.append(Label(LEFT - 12, y + 17, words, anchor="end"))
        shapes.append(Bar(LEFT, y + 3, max(1.0, reach * n / most) if n else 0, ROW - 10, ink))
        share = f"{n}, {percent(n / total)}" if total else "0"
        shapes.append(Label(LEFT + 8 + reach * n / most, y + 17, share, Ink.SUBDUED))
    wins, losses = (sum(n for point, n in counts.items() if sign * point > 0) for sign in (1, -1))
    return Figure(
        name="preference",
        title="Overall preference",
        alternative=(
            f"Of {total} comparisons {wins} preferred the fine-tuned answer, {losses} the baseline’s, and "
            f"{counts.get(0, 0)} found them about the same."
        ),
        width=WIDTH,
        height=TOP + ROW * len(WORDS) + 8,
        shapes=tuple(shapes),
    )
