"""The rating instrument: three axes, every point with its meaning, and the overall preference.

Higher is better on every axis. "Cannot judge" is off the scale and never a midpoint. The axes follow
the published designs gathered in the references (Med-PaLM's separate axes; the r-IDEA score for depth;
CREOLA's split of invented content by severity); the wording is this project's own.
"""

from dataclasses import dataclass
from enum import StrEnum


class Axis(StrEnum):
    """Outcome ids as exports and tables use them."""

    DEPTH = "D"
    CORRECTNESS = "F"
    HALLUCINATION = "H"


@dataclass(frozen=True)
class Scale:
    """One axis: its name, what to look at, and the meaning of the points 1 to 5 in order."""

    axis: Axis
    name: str
    hint: str
    points: tuple[str, str, str, str, str]

    def meaning(self, value: int) -> str:
        return self.points[value - 1]


LOWEST, HIGHEST = 1, 5
CANNOT_JUDGE = "Cannot judge, or outside my field"

SCALES: dict[Axis, Scale] = {
    Axis.DEPTH: Scale(
        Axis.DEPTH,
        "Reasoning depth",
        "Rate the thinking together with the answer. Ignore length.",
        (
            "Conclusion asserted; nothing links the findings to it",
            "Some findings repeated, but an essential link is missing or circular",
            "Main findings linked to the conclusion; mechanism or alternatives missing",
            "Findings, mechanism and conclusion linked, and the leading alternative weighed",
            "As 4, with evidence against the alternatives and what would settle the doubt",
        ),
    ),
    Axis.CORRECTNESS: Scale(
        Axis.CORRECTNESS,
        "Factual correctness",
        "Rate everything shown that is stated as fact.",
        (
            "Central claim wrong; following it could cause serious harm",
            "Central claim wrong or unusable, or a major error beside a right conclusion",
            "Conclusion acceptable, with errors a colleague would correct",
            "Correct, with trivial inaccuracies only",
            "Correct and in line with current practice throughout",
        ),
    ),
    Axis.HALLUCINATION: Scale(
        Axis.HALLUCINATION,
        "Hallucination control",
        "Look for invented findings, sources, numbers and details that the case does not give.",
        (
            "Invented content carries the conclusion",
            "Invented content that could change management",
            "Unsupported content, unlikely to change management",
            "One trivial unsupported detail",
            "Nothing invented; every detail can be traced to the case",
        ),
    ),
}

AXES = tuple(SCALES)

PREFERENCES: dict[int, str] = {
    -3: "Left much better",
    -2: "Left better",
    -1: "Left slightly better",
    0: "About the same",
    1: "Right slightly better",
    2: "Right better",
    3: "Right much better",
}
