"""The tables of studies, as SQLAlchemy sees them; the migrations make them and guard what is append-only.

What people type stands in `texts` alone, so that an admin can take a text out and its hash stays; every other
table holds the number of the text. Order is told by id, never by time.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
)

from medreason.storage.tables import _table as make_table

ARM = "arm IN ('baseline', 'finetuned', '')"
SIDE = "side IN ('left', 'right')"
PHASE = "phase IN ('answer_only', 'with_trace')"


def _text(name: str) -> Column:
    return Column(name, Text, nullable=False)


def _whole(name: str, *rules: CheckConstraint) -> Column:
    return Column(name, Integer, *rules, nullable=False)


def _to(name: str, target: str, nullable: bool = False) -> Column:
    return Column(name, ForeignKey(target), nullable=nullable)


texts = make_table(
    "texts", Column("text", Text), _text("sha256"), _text("created_at"), Column("redacted_at", Text)
)

studies = make_table(
    "studies",
    _text("name"),
    Column("name_key", Text, nullable=False, unique=True),
    _text("state"),
    _text("secret"),
    _text("plan"),
    _text("plan_sha256"),
    _whole("plan_no"),
    _to("created_by", "users.id"),
    _text("created_at"),
)

study_cases = make_table(
    "study_cases",
    _to("study_id", "studies.id"),
    _whole("plan_no"),
    _whole("number"),
    _text("case_id"),
    _text("kind"),
    _text("specialty"),
    _to("text_id", "texts.id"),
    _text("reference_answer"),
    Column("must_contain", JSON, nullable=False),
    _text("source"),
    UniqueConstraint("study_id", "plan_no", "case_id"),
)

seats = make_table(
    "seats",
    _to("study_id", "studies.id"),
    _to("rater_id", "raters.id"),
    _text("created_at"),
    Column("left_at", Text),
    UniqueConstraint("study_id", "rater_id"),
)

consents = make_table(
    "consents",
    _to("study_id", "studies.id"),
    _to("rater_id", "raters.id"),
    _text("text_sha256"),
    _text("accepted_at"),
    UniqueConstraint("study_id", "rater_id", "text_sha256"),
)

generations = make_table(
    "generations",
    _to("study_id", "studies.id"),
    _text("case_id"),
    _text("origin"),
    Column("arm", Text, CheckConstraint(ARM), nullable=False),
    _whole("sample"),
    _whole("attempt"),
    _text("thinking"),
    _text("thinking_sha256"),
    _text("answer"),
    _text("answer_sha256"),
    _text("finish"),
    _text("fault"),
    Column("thought", Boolean, nullable=False),
    Column("closed", Boolean, nullable=False),
    _whole("prompt_tokens"),
    _whole("thinking_tokens"),
    _whole("answer_tokens"),
    Column("first_token_s", Float, nullable=False),
    Column("thinking_s", Float, nullable=False),
    Column("total_s", Float, nullable=False),
    Column("provenance", JSON),
    Column("flags", JSON, nullable=False),
    Column("known_spans", JSON, nullable=False),
    _text("created_at"),
    UniqueConstraint("study_id", "case_id", "origin", "arm", "sample", "attempt"),
)

schedules = make_table(
    "schedules",
    _to("study_id", "studies.id"),
    _whole("number"),
    _text("body"),
    _text("sha256"),
    _text("created_at"),
    UniqueConstraint("study_id", "number"),
)

showings = make_table(
    "showings",
    _to("study_id", "studies.id", nullable=True),
    _to("pair_id", "pairs.id", nullable=True),
    _to("rater_id", "raters.id"),
    _to("schedule_id", "schedules.id", nullable=True),
    _whole("position"),
    _text("kind"),
    _text("case_id"),
    _whole("sample"),
    _to("left_generation", "generations.id", nullable=True),
    _to("right_generation", "generations.id", nullable=True),
    _to("repeat_of", "showings.id", nullable=True),
    _text("created_at"),
    UniqueConstraint("study_id", "rater_id", "position"),
    UniqueConstraint("pair_id", "rater_id"),
    CheckConstraint("(study_id IS NULL) <> (pair_id IS NULL)"),
    Index("showings_of_rater", "rater_id", "id"),
)

openings = make_table(
    "openings",
    _to("showing_id", "showings.id"),
    Column("phase", Text, CheckConstraint(PHASE), nullable=False),
    _text("opened_at"),
    UniqueConstraint("showing_id", "phase"),
)

own_answers = make_table(
    "own_answers",
    Column("showing_id", ForeignKey("showings.id"), nullable=False, unique=True),
    _to("text_id", "texts.id", nullable=True),
    Column("confidence", Integer),
    _text("given_at"),
)

judgements = make_table(
    "judgements",
    _to("showing_id", "showings.id"),
    _to("rater_id", "raters.id"),
    Column("phase", Text, CheckConstraint(PHASE), nullable=False),
    _whole("revision_no"),
    Column("both_unacceptable", Boolean, nullable=False),
    Column("confidence", Integer, CheckConstraint("confidence BETWEEN 1 AND 5")),
    Column("familiarity", Integer, CheckConstraint("familiarity BETWEEN 1 AND 3")),
    Column("guess", Text, CheckConstraint("guess IN ('left', 'right', 'dk')")),
    _to("comment_id", "texts.id", nullable=True),
    _to("reason_id", "texts.id", nullable=True),
    _whole("active_ms"),
    Column("blinded", Boolean, nullable=False),
    _text("idempotency_key"),
    _text("content_sha256"),
    _text("app_version"),
    _text("submitted_at"),
    UniqueConstraint("showing_id", "rater_id", "phase", "revision_no"),
)

given = make_table(
    "given",
    _to("judgement_id", "judgements.id"),
    Column("side", Text, CheckConstraint(SIDE), nullable=False),
    _text("item"),
    Column("value", Integer),
    UniqueConstraint("judgement_id", "side", "item"),
)

spans = make_table(
    "spans",
    _to("judgement_id", "judgements.id"),
    _whole("number"),
    Column("side", Text, CheckConstraint(SIDE), nullable=False),
    _text("target"),
    _whole("start"),
    _whole("end"),
    _text("quote"),
    _text("text_sha256"),
    _text("type"),
    Column("severity", Integer, CheckConstraint("severity BETWEEN 1 AND 4"), nullable=False),
    _text("basis"),
    _text("source_note"),  # of before migration 0004; typed since then are the texts of this number
    _to("source_note_id", "texts.id", nullable=True),
    UniqueConstraint("judgement_id", "number"),
)

preferences = make_table(
    "preferences",
    _to("judgement_id", "judgements.id"),
    Column("axis", Text, nullable=False),
    Column("value", Integer, CheckConstraint("value BETWEEN -3 AND 3")),
    UniqueConstraint("judgement_id", "axis"),
)

skips = make_table(
    "skips", _to("showing_id", "showings.id"), _to("reason_id", "texts.id", nullable=True), _text("skipped_at")
)

rating_drafts = make_table(
    "rating_drafts",
    Column("showing_id", ForeignKey("showings.id"), nullable=False, unique=True),
    _text("body"),
    _text("updated_at"),
)

adjudications = make_table(
    "adjudications",
    _to("study_id", "studies.id"),
    _to("generation_id", "generations.id"),
    _text("item"),
    Column("value", Integer),
    _to("reason_id", "texts.id"),
    _to("user_id", "users.id"),
    _text("created_at"),
)

settled_marks = make_table(
    "settled_marks",
    _to("study_id", "studies.id"),
    _to("span_id", "spans.id"),
    Column("verdict", Text, CheckConstraint("verdict IN ('yes', 'no', 'merged')"), nullable=False),
    _to("merged_into", "spans.id", nullable=True),
    _to("reason_id", "texts.id"),
    _to("user_id", "users.id"),
    _text("created_at"),
    CheckConstraint("(verdict = 'merged') = (merged_into IS NOT NULL)"),
)

audit = make_table(
    "audit",
    _text("at"),
    _text("actor"),
    _text("action"),
    _text("object"),
    _text("content_sha256"),
    _to("reason_id", "texts.id", nullable=True),
    _text("reason_sha256"),
    Column("previous_sha256", Text, nullable=False, unique=True),
    _text("sha256"),
)
