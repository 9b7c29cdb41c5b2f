"""A study, or the live pairs, as one neutral value: what was asked, answered, rated, marked and done.

Field by field these are the rows of the files of a pack (`pack_columns`), in their order. Who fills them
answers for their truth; what is computed from them checks them again. An empty text and None are "not
available". Knows nothing of the store, of files or of statistics.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA_VERSION = 1
LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRow:
    """One value given by one rater to one answer (`ratings_long.csv`)."""

    schema_version: int = SCHEMA_VERSION
    study_id: str = ""
    rating_id: str = ""
    presentation_id: str = ""
    mode: str = "confirmatory"
    rater_id: str
    rater_role: str = ""
    rater_specialty: str = ""
    years_practice: int | None = None
    case_id: str
    case_version: str = ""
    case_specialty: str = ""
    case_kind: str = "study"
    repeat_of: str = ""
    arm: str
    side: str = ""
    case_position: int | None = None
    generation_id: str = ""
    item: str
    phase: str = "with_trace"
    value: int | None
    value_label: str = ""
    scale_min: int = 1
    scale_max: int = 5
    not_judgeable: bool = False
    confidence: int | None = None
    familiarity: int | None = None
    active_ms: int | None = None
    started_at: str = ""
    submitted_at: str = ""
    revision_no: int = 1
    superseded: bool = False
    blinded: bool = True
    schedule_hash: str = ""
    app_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One comparison of two answers by one rater (`pairs.csv`); `outcome` is that of the fine-tuned one."""

    pair_id: str = ""
    rater_id: str
    case_id: str
    axis: str = "overall"
    raw_left_right: int | None = None
    pref_ft: int | None
    outcome: str = ""
    both_unacceptable: bool = False
    left_arm: str
    confidence: int | None = None
    arm_guess: str = ""
    guess_correct: bool | None = None
    active_ms: int | None = None
    len_tokens_left: int | None = None
    len_tokens_right: int | None = None
    started_at: str = ""
    submitted_at: str = ""
    presentation_id: str = ""
    mode: str = ""
    case_kind: str = ""
    revision_no: int = 1
    superseded: bool = False
    headers_left: int | None = None
    headers_right: int | None = None
    lists_left: int | None = None
    lists_right: int | None = None
    bold_left: int | None = None
    bold_right: int | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One marked passage (`spans.csv`); `start` and `end` are code points, half open."""

    span_id: str = ""
    rater_id: str
    case_id: str
    generation_id: str = ""
    arm: str
    target: str = "answer"
    start: int = 0
    end: int = 0
    quote: str = ""
    text_sha256: str = ""
    type: str
    severity: int
    basis: str = "own knowledge"
    source_note: str = ""
    adjudicated: str = ""
    created_at: str = ""
    presentation_id: str = ""
    case_kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRow:
    """One answer with proof of what produced it (`generations.jsonl`)."""

    generation_id: str
    case_id: str = ""
    arm: str = ""
    base_model: str = ""
    base_revision: str = ""
    adapter_id: str = ""
    adapter_revision: str = ""
    adapter_sha256: str = ""
    adapter_active: bool | None = None
    precision: str = ""
    template_sha256: str = ""
    system_prompt: str = ""
    sampling: Mapping[str, object] | None = None
    finish_reason: str = ""
    prompt_tokens: int | None = None
    thinking_tokens: int | None = None
    answer_tokens: int | None = None
    ttft_ms: float | None = None
    total_ms: float | None = None
    thinking_text: str = ""
    answer_text: str = ""
    sha256: str = ""
    created_at: str = ""
    library_versions: Mapping[str, object] | None = None
    base_sha256: str = ""
    engine: str = ""
    self_test: str = ""
    claimed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case as it was asked (`cases.csv`)."""

    case_id: str
    case_version: str = ""
    text: str = ""
    specialty: str = ""
    kind: str = "study"
    repeat_of: str = ""
    reference_answer: str = ""
    must_contain: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRow:
    """One error planted in a control (`planted.csv`); `arm` is the one in whose place its text stands."""

    case_id: str
    error_no: int
    arm: str
    target: str
    start: int
    end: int
    quote: str = ""
    type: str = ""
    severity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjudicationRow:
    """One value that was settled where raters differed (`adjudications.csv`); their ratings stay beside it."""

    generation_id: str
    case_id: str
    arm: str
    item: str
    value: int | None
    reason: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One thing that was done, as the record keeps it (`events.jsonl`)."""

    event_id: str
    at: str
    actor: str
    action: str
    subject: str = ""
    details: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """What the study is (`study.json`). `unblinded` False: nobody may learn the arms from a pack, and every row
    says X and Y. `primary` is the outcome that was declared to be the main one. `statements` are the lead's own
    words on ethics, consent, funding, protocol, registration and the like; `interim_looks` counts looks at the
    arms before the study was closed."""

    study_id: str
    title: str
    mode: str = "confirmatory"
    instrument: str = "essential"
    question: str = ""
    primary: str = ""
    plan_sha256: str = ""
    state: str = "open"
    unblinded: bool = False
    planned_cases: int | None = None
    planned_raters: int | None = None
    seed: int | None = None
    schedule_hash: str = ""
    interim_looks: int = 0
    created_at: str = ""
    closed_at: str = ""
    unblinded_at: str = ""
    app_version: str = ""
    statements: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PackData:
    """Everything of one study at one moment."""

    study: StudyFacts
    cases: tuple[CaseRow, ...] = ()
    generations: tuple[GenerationRow, ...] = ()
    ratings: tuple[RatingRow, ...] = ()
    pairs: tuple[PairRow, ...] = ()
    spans: tuple[SpanRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    planted: tuple[PlantedRow, ...] = ()
    adjudications: tuple[AdjudicationRow, ...] = ()

    @property
    def rated_cases(self) -> int:
        return len({row.case_id for row in self.ratings} | {row.case_id for row in self.pairs})


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def answer_sha256(thinking: str, answer: str) -> str:
    """What `GenerationRow.sha256` holds."""
    return text_sha256(f"{thinking}\n{answer}")
