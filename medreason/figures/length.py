"""Length against score: whether long answers were scored higher, whoever wrote them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from medreason.figures.drawing import SIZE, WIDTH, Dot, Figure, Ink, Label, Shape, round_top, upright

TOP, PANEL, FOOT, GAP, LEFT = 76, 190, 52, 28, 24
POINTS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Scored:
    """One answer: its tokens of thinking and answer, and its mean score."""

    tokens: int
    score: float


@dataclass(frozen=True)
class LengthPanel:
    """One axis: the answers of each arm, and the rank correlation over all of them, None where there is none."""

    name: str
    baseline: Sequence[Scored]
    finetuned: Sequence[Scored]
    correlation: float | None


def length_against_score(panels: Sequence[LengthPanel]) -> Figure:
    """One panel an axis, one dot an answer, a ring at each arm's mean."""
    width = (WIDTH - LEFT - GAP * (len(panels) - 1)) / len(panels)
    longest = max((one.tokens for panel in panels for one in (*panel.baseline, *panel.finetuned)), default=1)
    top, gap = round_top(longest)
    bottom = TOP + PANEL
    shapes: list[Shape] = [Label(0, 18, "Length against score", size=SIZE, bold=True)]
    for index, panel in enumerate(panels):
        left = LEFT + index * (width + GAP)

        def x(tokens: float, left: float = left) -> float:
            return left + (width - 20) * tokens / top

        def y(score: float) -> float:
            return bottom - 12 - (PANEL - 24) * (score - 1) / 4

        shapes.append(Label(left, 44, panel.name, bold=True))
        shapes += [Dot(left + 5, 58, 3, Ink.BASELINE, hollow=True), Label(left + 14, 62, "Baseline", Ink.BASELINE)]
        shapes += [Dot(left + 89, 58, 3, Ink.FINETUNED), Label(left + 98, 62, "Fine-tuned", Ink.FINETUNED)]
        marks = [mark * gap for mark in range(int(top / gap) + 1)]
        for mark in marks[:: 1 if len(marks) <= 4 else 2]:
            shapes += upright(x(mark), TOP, bottom, f"{mark:,.0f}")
        if not index:
            shapes += [Label(left - 8, y(point) + 4, str(point), Ink.SUBDUED, anchor="end") for point in POINTS]
        for ink, answers, hollow in (
            (Ink.BASELINE, panel.baseline, True),
            (Ink.FINETUNED, panel.finetuned, False),
        ):
            shapes += [Dot(x(one.tokens), y(one.score), 3, ink, hollow) for one in answers]
            if answers:
                tokens, score = fmean(one.tokens for one in answers), fmean(one.score for one in answers)
                shapes.append(Dot(x(tokens), y(score), 8, ink, hollow=True))
    shapes.append(
        Label(
            LEFT,
            bottom + 42,
            "tokens of thinking and answer; height: mean score; ring: mean of the arm",
            Ink.SUBDUED,
        )
    )
    return Figure(
        name="length_against_score",
        title="Length against score",
        alternative=" ".join(map(_in_words, panels)),
        width=WIDTH,
        height=bottom + FOOT,
        shapes=tuple(shapes),
    )


def _in_words(panel: LengthPanel) -> str:
    means = []
    for name, answers in (("baseline", panel.baseline), ("fine-tuned", panel.finetuned)):
        if answers:
            tokens, score = fmean(one.tokens for one in answers), fmean(one.score for one in answers)
            means.append(f"{name} {tokens:,.0f} tokens and {score:.2f} points")
    tied = "" if panel.correlation is None else f"; rank correlation of length and score {panel.correlation:.2f}"
    return f"{panel.name}: on average {', '.join(means) or 'nothing judged'}{tied}."
