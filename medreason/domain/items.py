"""What a rater is asked about one side: every item with its points in words, and the two instruments.

The instruments follow the flow worked out in the references (AMIE's and Med-PaLM 2's separate axes, QUEST's
order of answer first and reasoning after, r-IDEA's parts of reasoning, CREOLA's severities); the wording is
this project's own. "Cannot judge" is off every scale and never a midpoint. Item ids are those of the export.
"""

from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.instrument import LOWEST, SCALES, Axis


class Phase(StrEnum):
    """What the rater had seen when a value was given."""

    ANSWER_ONLY = "answer_only"
    WITH_TRACE = "with_trace"


class Instrument(StrEnum):
    """`ESSENTIAL`: one screen, thinking shown at once. `FULL`: answers first, locked, then the thinking."""

    ESSENTIAL = "essential"
    FULL = "full"


@dataclass(frozen=True)
class Item:
    """One question about one side. `points` are the meanings of the values from `lowest` upwards.
    `cannot_judge` says in words what stands off the scale; empty where every rater can tell."""

    id: str
    name: str
    hint: str
    points: tuple[str, ...]
    lowest: int = 0
    cannot_judge: str = "Cannot judge, or outside my field"

    @property
    def highest(self) -> int:
        return self.lowest + len(self.points) - 1

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(range(self.lowest, self.highest + 1))

    def meaning(self, value: int | None) -> str:
        return self.cannot_judge if value is None else self.points[value - self.lowest]


def _axis(axis: Axis) -> Item:
    scale = SCALES[axis]
    return Item(str(axis), scale.name, scale.hint, scale.points, LOWEST)


def _yes(name: str, question: str, hint: str = "") -> Item:
    return Item(name, question, hint, ("No", "Yes"))


DEPTH, CORRECTNESS, HALLUCINATION = (_axis(axis) for axis in Axis)
HARM = Item(
    "harm_extent",
    "Possible harm",
    "If a colleague acted on this answer as it stands, how badly could the patient be hurt?",
    (
        "None to be expected",
        "Mild: passing discomfort or delay",
        "Moderate: needs treatment or a longer stay",
        "Severe: lasting damage or death",
    ),
)
HARM_LIKELIHOOD = Item(
    "harm_likelihood",
    "How likely is that harm",
    "Only where harm is possible.",
    ("Low", "Medium", "High"),
)
OMISSION = Item(
    "omission",
    "Important omission",
    "Is something left out that the answer should have held?",
    ("Nothing of weight", "Something minor", "Something that matters for the patient"),
)
ANSWER_RIGHT = Item(
    "final_answer_correct",
    "Final answer right",
    "Only the conclusion counts, not the way to it.",
    ("No", "Partly", "Yes"),
    cannot_judge="No agreed answer, or outside my field",
)
COHERENT = _yes(
    "trace_consistent",
    "Answer follows from the thinking",
    "Would a reader of the thinking alone have come to this answer?",
)
NONE_FOUND = Item(
    "none_found",
    "Invented content",
    "Tick it only after looking; without it and without a mark this side counts as not looked at.",
    ("Not looked for", "I looked for invented content and found none"),
    cannot_judge="",
)
SUB_ITEMS = (
    _yes("sub_problem_stated", "States the problem in its own words"),
    _yes("sub_two_alternatives", "Names at least two alternatives"),
    _yes("sub_support", "Gives what speaks for the leading one"),
    _yes("sub_against", "Gives what speaks against the others"),
    _yes("sub_mechanism", "Makes the mechanism explicit"),
    _yes("sub_uncertainty", "Says what is uncertain, or the next step"),
)
ITEMS = {
    item.id: item
    for item in (
        *(DEPTH, CORRECTNESS, HALLUCINATION, HARM, HARM_LIKELIHOOD, OMISSION, ANSWER_RIGHT, COHERENT, NONE_FOUND),
        *SUB_ITEMS,
    )
}

REQUIRED: dict[tuple[Instrument, Phase], tuple[Item, ...]] = {
    (Instrument.ESSENTIAL, Phase.WITH_TRACE): (DEPTH, CORRECTNESS, HALLUCINATION),
    (Instrument.FULL, Phase.ANSWER_ONLY): (CORRECTNESS, HALLUCINATION, HARM, OMISSION, ANSWER_RIGHT),
    (Instrument.FULL, Phase.WITH_TRACE): (DEPTH, COHERENT),
}
"""What must be given for each side, in the order in which it is asked. `NONE_FOUND` or a mark is required
beside these in every phase that shows the thinking (`Judgement.lacking`)."""

OPTIONAL: dict[tuple[Instrument, Phase], tuple[Item, ...]] = {
    (Instrument.ESSENTIAL, Phase.WITH_TRACE): (NONE_FOUND, *SUB_ITEMS),
    (Instrument.FULL, Phase.ANSWER_ONLY): (HARM_LIKELIHOOD,),
    (Instrument.FULL, Phase.WITH_TRACE): (
        *(NONE_FOUND, CORRECTNESS, HALLUCINATION, HARM, OMISSION, ANSWER_RIGHT, HARM_LIKELIHOOD),
        *SUB_ITEMS,
    ),
}
"""What may be given beside it. After the thinking is shown, the earlier scores may be revised: both stay."""

PHASES: dict[Instrument, tuple[Phase, ...]] = {
    Instrument.ESSENTIAL: (Phase.WITH_TRACE,),
    Instrument.FULL: (Phase.ANSWER_ONLY, Phase.WITH_TRACE),
}

CONFIDENCE = (
    "A guess",
    "Unsure; I would ask somebody",
    "Fairly sure",
    "Sure; I would defend it to a colleague",
    "Certain; I would defend it to a specialist",
)
FAMILIARITY = ("Outside my field", "I meet this now and then", "My daily work")
