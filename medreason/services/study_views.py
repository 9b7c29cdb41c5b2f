"""What the lead of a study sees: progress, flags and warnings, the arms never."""

from dataclasses import dataclass

from medreason.domain.dataset import CaseOverlap
from medreason.domain.study import StudyPlan, StudyState


@dataclass(frozen=True)
class RaterProgress:
    """How far a rater is. `seen_elsewhere` counts cases that are not offered to them because they have seen them
    in Compare; `skipped` those skipped and not finished; `left` that they no longer take part."""

    name: str
    pseudonym: str
    done: int
    total: int
    skipped: int = 0
    seen_elsewhere: int = 0
    minutes_left: int = 0
    consented: bool = False
    left: bool = False


@dataclass(frozen=True)
class GenerationProgress:
    """How far the answers are, in pairs. `cut_off` counts answers that ended at the token budget. `fault` says in
    one sentence why it stopped, where it did."""

    done: int
    total: int
    failed: int = 0
    cut_off: int = 0
    running: bool = False
    words: str = ""
    fault: str = ""


@dataclass(frozen=True)
class StudyEvent:
    """One deed from the audit. `who` is a user's or rater's number in words."""

    at: str
    who: str
    action: str
    reason: str


@dataclass(frozen=True)
class StudyView:
    """A study as its lead sees it. `flags` are about single cases, `warnings` about the whole, each a sentence.
    `lacking` says in words what must be there before it can be opened. `unblinded`: the arms have been told."""

    name: str
    title: str
    state: StudyState
    plan: StudyPlan
    raters: tuple[RaterProgress, ...]
    generation: GenerationProgress
    flags: tuple[str, ...]
    warnings: tuple[str, ...]
    lacking: tuple[str, ...]
    schedule_sha256: str
    events: tuple[StudyEvent, ...]
    unblinded: bool = False


@dataclass(frozen=True)
class Preview:
    """What a plan means before it is kept. `showings` are those of the busiest rater, practice and repeats
    included; `overlaps` is None where the adapter does not say what it learned from."""

    showings: int
    minutes: int
    answers: int
    words: tuple[str, ...]
    overlaps: tuple[CaseOverlap, ...] | None = None


@dataclass(frozen=True)
class Disputed:
    """One answer on one item about which raters differ. `answer` is X or Y, as in every pack before unblinding;
    `values` are (pseudonym, value); `adjudicated` is what was settled last, None where nothing was."""

    case_id: str
    case: str
    sample: int
    answer: str
    item: str
    item_name: str
    values: tuple[tuple[str, int], ...]
    spread: int
    adjudicated: int | None = None


@dataclass(frozen=True)
class Marked:
    """One mark of one rater. `answer` is X or Y; `verdict` is yes, no, merged, or empty where nothing was settled;
    `merged_into` the name of the other mark."""

    id: str
    case_id: str
    answer: str
    sample: int
    target: str
    rater: str
    quote: str
    type: str
    severity: str
    basis: str
    note: str
    verdict: str = ""
    merged_into: str = ""
