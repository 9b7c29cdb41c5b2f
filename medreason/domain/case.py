"""A case: the text put to both arms, and what is known of its right answer."""

import re
from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.checks import Checks
from medreason.domain.conversation import LONGEST_QUESTION


class CaseKind(StrEnum):
    STUDY = "study"
    FALSE_PREMISE = "false_premise"
    PLANTED_ERROR = "planted_error"
    SAME_ARM = "same_arm"
    PRACTICE = "practice"


@dataclass(frozen=True)
class Case:
    """One case of a deck. `must_contain`: strings that a right answer holds, synonyms split by "|"."""

    case_id: str
    text: str
    specialty: str = ""
    reference_answer: str = ""
    must_contain: tuple[str, ...] = ()
    kind: CaseKind = CaseKind.STUDY
    source: str = ""

    def __post_init__(self) -> None:
        checks = Checks()
        checks.require(
            isinstance(self.case_id, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,64}", self.case_id) is not None,
            "case_id",
            self.case_id,
            "use 1 to 64 letters, digits, dots, dashes or underscores",
        )
        checks.text("text", self.text, LONGEST_QUESTION)
        checks.text("specialty", self.specialty, 200, empty_ok=True)
        checks.text("reference answer", self.reference_answer, LONGEST_QUESTION, empty_ok=True)
        checks.text("source", self.source, 1000, empty_ok=True)
        checks.choice("kind", self.kind, list(CaseKind))
        for string in self.must_contain:
            checks.text("must_contain", string, 500)
        checks.done()
