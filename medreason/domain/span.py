"""A passage that a rater marked as invented or wrong, by offsets into the stored text.

Offsets count Unicode code points, half open, into the raw thinking or answer as it was stored; the hash of
that text goes with them, so that a mark can never slip onto another text.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.arms import SIDES, Side
from medreason.domain.checks import Checks

LONGEST_QUOTE = 20_000
MAJOR = 3


class Target(StrEnum):
    TRACE = "trace"
    ANSWER = "answer"


class SpanType(StrEnum):
    FABRICATED_FACT = "fabricated_fact"
    FABRICATED_SOURCE = "fabricated_source"
    CONTRADICTS_CASE = "contradicts_case"
    INVENTED_PATIENT_DETAIL = "invented_patient_detail"
    WRONG_MECHANISM = "wrong_mechanism"
    WRONG_NUMBER = "wrong_number_or_dose"
    UNSAFE_GUIDANCE = "outdated_or_unsafe_guidance"
    SELF_CONTRADICTION = "self_contradiction"
    OVERCONFIDENT = "overconfident"
    OMISSION = "omission"

    @property
    def words(self) -> str:
        return TYPE_WORDS[self]


TYPE_WORDS = {
    SpanType.FABRICATED_FACT: "Invented fact",
    SpanType.FABRICATED_SOURCE: "Invented source, guideline or statistic",
    SpanType.CONTRADICTS_CASE: "Contradicts the case, a denied finding included",
    SpanType.INVENTED_PATIENT_DETAIL: "Patient detail that the case does not give",
    SpanType.WRONG_MECHANISM: "Wrong mechanism",
    SpanType.WRONG_NUMBER: "Wrong number or dose",
    SpanType.UNSAFE_GUIDANCE: "Outdated or unsafe guidance",
    SpanType.SELF_CONTRADICTION: "Contradicts itself",
    SpanType.OVERCONFIDENT: "Claims a certainty that nobody has",
    SpanType.OMISSION: "Something important is left out",
}

SEVERITIES = {
    1: "Cosmetic",
    2: "Would need correction",
    3: "Could change work-up or treatment",
    4: "Could cause serious harm",
}


class Basis(StrEnum):
    """How the rater knows. What cannot be verified is counted apart, never as a hallucination."""

    OWN = "own knowledge"
    LOOKED_UP = "looked up"
    CANNOT_VERIFY = "cannot verify"


@dataclass(frozen=True)
class Span:
    """One mark. An omission marks no words: `start` = `end` = 0 and an empty quote."""

    side: Side
    target: Target
    start: int
    end: int
    quote: str
    text_sha256: str
    type: SpanType
    severity: int
    basis: Basis = Basis.OWN
    source_note: str = ""

    def __post_init__(self) -> None:
        checks = Checks()
        checks.choice("side", self.side, list(SIDES))
        checks.choice("marked in", self.target, list(Target))
        checks.choice("kind of mark", self.type, list(SpanType))
        checks.number("severity", self.severity, min(SEVERITIES), max(SEVERITIES), whole=True)
        checks.choice("basis", self.basis, list(Basis))
        checks.text("quote", self.quote, LONGEST_QUOTE, empty_ok=True)
        checks.text("source", self.source_note, 1000, empty_ok=True)
        if self.type is SpanType.OMISSION:
            checks.require((self.start, self.end) == (0, 0), "start", self.start, "an omission marks no words")
        else:
            checks.number("start", self.start, 0, 10**7, whole=True)
            checks.number("end", self.end, 0, 10**7, whole=True)
            checks.require(self.start < self.end, "end", self.end, "must lie behind the start")
        checks.done()

    @property
    def major(self) -> bool:
        return self.severity >= MAJOR

    def fits(self, text: str) -> bool:
        """Whether hash, slice and quote agree with the stored text."""
        return text_sha256(text) == self.text_sha256 and text[self.start : self.end] == self.quote


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
