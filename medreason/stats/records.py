"""The rows that an evaluation is computed from, with the columns of the export that it needs.

Plain frozen values: one score, one preference, one marked passage, one generated answer, one planted
error. They come from the store or from files made elsewhere; nothing here knows which.
"""

from dataclasses import dataclass

from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.checks import Checks

MODES = ("confirmatory", "exploratory", "training")
STUDY, REPEAT, PLANTED, SAME_ARM, FAKE, INSTRUCTED = (
    *("study", "repeat", "gold_planted", "gold_aa", "gold_fake", "gold_instr"),
)
CASE_KINDS = (STUDY, REPEAT, PLANTED, SAME_ARM, FAKE, INSTRUCTED)
ANSWER_ONLY, WITH_TRACE = "answer_only", "with_trace"
PHASES = (ANSWER_ONLY, WITH_TRACE)
OVERALL = "overall"
TICK = "none_found"
"""Item of the tick "I looked for invented content and found none"; value 1."""
CANNOT_VERIFY = "cannot verify"
OMISSION = "omission"
MAJOR_SEVERITY = 3


@dataclass(frozen=True, slots=True)
class RatingRecord:
    """One value given by one rater to one answer (`ratings_long.csv`).

    `value` None is "cannot judge". Items with categories of words are numbered from `scale_min` upwards as
    they are listed in the instrument: harm none = lowest; final answer no, partly, yes; yes/no as 0, 1.
    `presentation_id` may be empty in files made elsewhere; `repeat_of` names the first showing's case.
    """

    rater_id: str
    case_id: str
    arm: Arm
    item: str
    value: int | None
    study_id: str = ""
    presentation_id: str = ""
    mode: str = "confirmatory"
    case_kind: str = STUDY
    repeat_of: str = ""
    side: Side | None = None
    generation_id: str = ""
    phase: str = WITH_TRACE
    scale_min: int = 1
    scale_max: int = 5
    confidence: int | None = None
    active_ms: int | None = None
    revision_no: int = 1
    superseded: bool = False
    blinded: bool = True
    case_position: int | None = None

    def __post_init__(self) -> None:
        # Tens of thousands of rows are read at once: the faults are worded only where there is one.
        if (
            self.rater_id
            and self.case_id
            and self.arm in ARMS
            and self.item
            and (self.side is None or self.side in SIDES)
            and self.mode in MODES
            and self.case_kind in CASE_KINDS
            and self.phase in PHASES
            and self.scale_min < self.scale_max
            and (self.value is None or self.scale_min <= self.value <= self.scale_max)
            and (self.value is None or type(self.value) is int)
            and (self.confidence is None or 1 <= self.confidence <= 5)
            and (self.active_ms is None or self.active_ms >= 0)
        ):
            return
        checks = Checks()
        _identities(checks, self.rater_id, self.case_id)
        checks.choice("arm", self.arm, ARMS)
        checks.require(bool(self.item), "item", self.item, "name what was rated")
        checks.choice("side", self.side, (None, *SIDES))
        checks.choice("mode", self.mode, MODES)
        checks.choice("case kind", self.case_kind, CASE_KINDS)
        checks.choice("phase", self.phase, PHASES)
        checks.require(self.scale_min < self.scale_max, "scale", self.scale_max, "must end above its beginning")
        if self.value is not None:
            checks.number(self.item or "value", self.value, self.scale_min, self.scale_max, whole=True)
        if self.confidence is not None:
            checks.number("confidence", self.confidence, 1, 5, whole=True)
        if self.active_ms is not None:
            checks.number("active ms", self.active_ms, 0, 10**9, whole=True)
        checks.done()


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One comparison of two answers by one rater (`pairs.csv`). `pref_ft` and `raw_left_right` None are
    "cannot judge"; `arm_guess` is left, right, dk, or empty where it was not asked. Counts of tokens,
    headers, lists and bold passages are None where not known."""

    rater_id: str
    case_id: str
    pref_ft: int | None
    left_arm: Arm
    axis: str = OVERALL
    pair_id: str = ""
    raw_left_right: int | None = None
    both_unacceptable: bool = False
    mode: str = "confirmatory"
    case_kind: str = STUDY
    confidence: int | None = None
    arm_guess: str = ""
    len_tokens_left: int | None = None
    len_tokens_right: int | None = None
    headers_left: int | None = None
    headers_right: int | None = None
    lists_left: int | None = None
    lists_right: int | None = None
    bold_left: int | None = None
    bold_right: int | None = None
    superseded: bool = False

    def __post_init__(self) -> None:
        checks = Checks()
        _identities(checks, self.rater_id, self.case_id)
        for name, value in (("preference", self.pref_ft), ("left/right", self.raw_left_right)):
            if value is not None:
                checks.number(name, value, -3, 3, whole=True)
        checks.choice("left arm", self.left_arm, ARMS)
        checks.choice("axis", self.axis, ("D", "F", "H", OVERALL))
        checks.choice("mode", self.mode, MODES)
        checks.choice("case kind", self.case_kind, CASE_KINDS)
        checks.choice("guess", self.arm_guess, ("", "left", "right", "dk"))
        checks.done()

    @property
    def left_right(self) -> int | None:
        """Negative where the left was preferred: as given, or worked out from the preference and the sides."""
        if self.raw_left_right is not None or self.pref_ft is None:
            return self.raw_left_right
        return -self.pref_ft if self.left_arm == Arm.FINETUNED else self.pref_ft

    @property
    def guessed_right(self) -> bool | None:
        """Whether the guess names the fine-tuned side; None for "don't know"."""
        if self.arm_guess not in ("left", "right"):
            return None
        return (self.arm_guess == "left") == (self.left_arm == Arm.FINETUNED)


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One marked passage (`spans.csv`): `start` and `end` are code points, half open; severity 1 to 4. Files made
    elsewhere may leave presentation and kind of case empty."""

    rater_id: str
    case_id: str
    arm: Arm
    type: str
    severity: int
    generation_id: str = ""
    target: str = "answer"
    start: int = 0
    end: int = 0
    basis: str = "own knowledge"
    presentation_id: str = ""
    case_kind: str = ""

    def __post_init__(self) -> None:
        checks = Checks()
        _identities(checks, self.rater_id, self.case_id)
        checks.choice("arm", self.arm, ARMS)
        checks.choice("target", self.target, ("trace", "answer"))
        checks.choice("case kind", self.case_kind, ("", *CASE_KINDS))
        checks.number("severity", self.severity, 1, 4, whole=True)
        checks.require(0 <= self.start <= self.end, "start", self.start, "must not lie behind the end")
        checks.done()

    @property
    def is_hallucination(self) -> bool:
        """An omission invents nothing, and what the rater could not verify is counted apart."""
        return self.type != OMISSION and self.basis != CANNOT_VERIFY

    def overlaps(self, target: str, start: int, end: int) -> bool:
        return self.target == target and self.start < end and start < self.end


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """Lengths of one generated answer (`generations.jsonl`), prompt excluded."""

    generation_id: str
    thinking_tokens: int
    answer_tokens: int

    @property
    def tokens(self) -> int:
        return self.thinking_tokens + self.answer_tokens


@dataclass(frozen=True, slots=True)
class PlantedError:
    """Where an error was planted in a control case; found if a rater's mark touches it."""

    case_id: str
    arm: Arm
    target: str
    start: int
    end: int


def _identities(checks: Checks, rater_id: str, case_id: str) -> None:
    checks.require(bool(rater_id), "rater", rater_id, "give the rater's pseudonym")
    checks.require(bool(case_id), "case", case_id, "give the case")
