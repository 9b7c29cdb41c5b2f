"""A study: what its lead fixes before anybody rates, and the words for what is shown in it.

A plan that exists is valid as far as it goes; a draft may still lack cases, raters or texts, and `lacking`
says in words what must be there before it can be opened. Knows nothing of answers or of who has rated.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.case import Case, CaseKind
from medreason.domain.checks import Checks
from medreason.domain.instrument import AXES
from medreason.domain.items import Instrument
from medreason.domain.judgement import OVERALL
from medreason.domain.planted import Planted
from medreason.domain.sampling import Sampling

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LIVE = "live"
MOST_CASES, MOST_RATERS, MOST_ANSWERS = 2_000, 500, 10
PRIMARY = (*(str(axis) for axis in AXES), OVERALL)
CROSSED_UP_TO = 4
"""With so few raters everybody rates every case."""


class StudyState(StrEnum):
    """`GENERATING` lasts from the first answer asked for until the study is opened; `CLOSED` is for good."""

    DRAFT = "draft"
    GENERATING = "generating"
    OPEN = "open"
    CLOSED = "closed"


class ShowingKind(StrEnum):
    """Why a pair is shown. Only `STUDY` enters the confirmatory analysis; the others are for agreement and
    quality (repeats, controls) or for learning the form (practice). The ids are those of the export."""

    STUDY = "study"
    REPEAT = "repeat"
    GOLD_PLANTED = "gold_planted"
    GOLD_AA = "gold_aa"
    GOLD_FAKE = "gold_fake"
    GOLD_INSTR = "gold_instr"
    PRACTICE = "practice"


KIND_OF_CASE = {
    CaseKind.STUDY: ShowingKind.STUDY,
    CaseKind.FALSE_PREMISE: ShowingKind.GOLD_FAKE,
    CaseKind.PLANTED_ERROR: ShowingKind.GOLD_PLANTED,
    CaseKind.SAME_ARM: ShowingKind.GOLD_AA,
}
"""How a case of a plan is shown. Practice cases come with the program, not with a plan."""


@dataclass(frozen=True)
class StudyPlan:
    """Everything the lead decides. `adapter` is the key of an adapter on disk; `base_model` names the base (empty:
    what is loaded). `overlap`: each case is rated by at least so many raters. `repeat_share`: of a rater's cases,
    this share comes again at the end with the sides swapped. `planned_cases`: how many cases the confirmatory
    table shall rest on (0: all of them). `raters` are names as they rate."""

    name: str
    title: str = ""
    cases: tuple[Case, ...] = ()
    base_model: str = ""
    adapter: str = ""
    system_prompt: str = ""
    sampling: Sampling = Sampling()
    answers_per_case: int = 1
    instrument: Instrument = Instrument.ESSENTIAL
    own_answer: bool = False
    ethics: str = ""
    consent: str = ""
    raters: tuple[str, ...] = ()
    overlap: int = 3
    repeat_share: float = 0.1
    planted: tuple[Planted, ...] = ()
    primary: str = "D"
    planned_cases: int = 0
    seed: int = 42

    def __post_init__(self) -> None:
        checks = Checks()
        checks.require(
            isinstance(self.name, str) and STUDY_NAME.fullmatch(self.name) is not None,
            "name",
            self.name,
            "use 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit",
        )
        checks.require(
            str(self.name).casefold() != LIVE, "name", self.name, "is kept for the ratings of live pairs"
        )
        for field, longest in (("title", 300), ("base model", 4096), ("adapter", 4096)):
            checks.text(field, getattr(self, field.replace(" ", "_")), longest, empty_ok=True)
        for field in ("system prompt", "ethics", "consent"):
            checks.text(field, getattr(self, field.replace(" ", "_")), 20_000, empty_ok=True)
        checks.number("answers per case", self.answers_per_case, 1, MOST_ANSWERS, whole=True)
        checks.choice("instrument", self.instrument, list(Instrument))
        checks.number("raters a case", self.overlap, 1, MOST_RATERS, whole=True)
        checks.number("share of repeats", self.repeat_share, 0, 0.5)
        checks.choice("primary axis", self.primary, PRIMARY)
        checks.number("planned cases", self.planned_cases, 0, MOST_CASES, whole=True)
        checks.number("seed", self.seed, 0, 2**31 - 1, whole=True)
        self._check_cases(checks)
        self._check_raters(checks)
        checks.done()

    def _check_cases(self, checks: Checks) -> None:
        ids = [case.case_id for case in self.cases]
        checks.require(len(ids) <= MOST_CASES, "cases", len(ids), f"keep to {MOST_CASES:,} cases")
        for twice in sorted({one for one in ids if ids.count(one) > 1}):
            checks.require(False, "cases", twice, "is there twice; give each case its own id")
        for case in self.cases:
            checks.require(
                case.kind in KIND_OF_CASE,
                "cases",
                case.case_id,
                "practice cases come with the program; leave it out",
            )
        wanted = sorted(case.case_id for case in self.cases if case.kind is CaseKind.PLANTED_ERROR)
        given = sorted(one.case_id for one in self.planted)
        for missing in sorted({*given} - {*wanted}):
            checks.require(False, "planted errors", missing, "is no case of the kind planted_error in this study")
        for twice in sorted({one for one in given if given.count(one) > 1}):
            checks.require(False, "planted errors", twice, "has two texts; give one")

    def _check_raters(self, checks: Checks) -> None:
        checks.require(
            len(self.raters) <= MOST_RATERS, "raters", len(self.raters), f"keep to {MOST_RATERS} raters"
        )
        for name in self.raters:
            checks.text("rater's name", name, 64)
        names = [" ".join(str(name).split()).casefold() for name in self.raters]
        for twice in sorted({one for one in names if names.count(one) > 1}):
            checks.require(False, "raters", twice, "is named twice")

    @property
    def shown_title(self) -> str:
        return self.title or self.name

    @property
    def study_cases(self) -> tuple[Case, ...]:
        """The cases that the confirmatory table rests on: controls left out."""
        return tuple(case for case in self.cases if case.kind is CaseKind.STUDY)

    def samples_of(self, case: Case) -> int:
        """How many answers each arm gives to a case; a same-arm control needs two of one arm."""
        return max(self.answers_per_case, 2) if case.kind is CaseKind.SAME_ARM else self.answers_per_case

    def lacking(self) -> tuple[str, ...]:
        """What must be there before answers are generated and the study is opened, in words."""
        lacking = []
        if not self.study_cases:
            lacking.append("cases to rate (of the kind study)")
        planted = {one.case_id for one in self.planted}
        lacking += [
            f"the written text with the planted error of {case.case_id}"
            for case in self.cases
            if case.kind is CaseKind.PLANTED_ERROR and case.case_id not in planted
        ]
        if not self.consent.strip():
            lacking.append("the consent text that each rater accepts")
        if self.planned_cases > len(self.study_cases):
            lacking.append(
                f"{self.planned_cases - len(self.study_cases)} more cases than are there, to reach the plan"
            )
        return tuple(lacking)
