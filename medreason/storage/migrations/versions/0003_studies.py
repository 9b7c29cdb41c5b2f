"""Studies: plans, seats, generated answers, sealed schedules, showings, judgements, and an audit in a hash chain.

Everything is append-only but the state and plan of a study, seats that were left, texts that an admin took out
and drafts of raters; triggers refuse the rest, in SQLite and in PostgreSQL, where the first schema's tables
had none. It spells the tables out, because a migration must go on making what it made on the day it was written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = (
    *("study_cases", "consents", "generations", "schedules", "showings", "openings", "own_answers"),
    *("judgements", "given", "spans", "preferences", "skips", "adjudications", "audit"),
)

# table, event, condition, what is refused
GUARDS = (
    *((table, event, "", f"{table} are append-only") for table in APPEND_ONLY for event in ("UPDATE", "DELETE")),
    (
        "studies",
        "UPDATE",
        "OLD.id <> NEW.id OR OLD.name <> NEW.name OR OLD.secret <> NEW.secret "
        "OR (OLD.state <> 'draft' AND (OLD.plan_sha256 <> NEW.plan_sha256 OR OLD.plan <> NEW.plan)) "
        "OR (OLD.state = 'open' AND NEW.state IN ('draft', 'generating')) "
        "OR (OLD.state = 'generating' AND NEW.state = 'draft') "
        "OR (OLD.state = 'closed' AND NEW.state <> 'closed')",
        "a study that has begun keeps its plan and never goes back",
    ),
    ("studies", "DELETE", "", "studies are never deleted"),
    (
        "texts",
        "UPDATE",
        "OLD.id <> NEW.id OR OLD.sha256 <> NEW.sha256 OR NEW.text IS NOT NULL OR NEW.redacted_at IS NULL",
        "a text can be taken out and never changed",
    ),
    ("texts", "DELETE", "", "texts are never deleted"),
    (
        "seats",
        "UPDATE",
        "OLD.id <> NEW.id OR OLD.study_id <> NEW.study_id OR OLD.rater_id <> NEW.rater_id",
        "a seat stays with its rater",
    ),
    ("seats", "DELETE", "", "seats are never deleted"),
)

# What the first schema guards in SQLite alone.
FIRST_GUARDS = (
    ("ratings", "UPDATE", "", "ratings are kept as they were given"),
    ("ratings", "DELETE", "", "ratings are never deleted"),
    ("scores", "UPDATE", "", "scores are kept as they were given"),
    ("scores", "DELETE", "", "scores are never deleted"),
    (
        "presentations",
        "UPDATE",
        "OLD.left_arm <> NEW.left_arm OR OLD.blinded <> NEW.blinded OR OLD.revealed_at IS NOT NULL",
        "drawn sides stay as drawn",
    ),
    ("presentations", "DELETE", "", "drawn sides are never deleted"),
    ("answers", "UPDATE", "OLD.finish <> 'cancelled'", "a finished answer stays as it is"),
    ("answers", "DELETE", "", "answers are never deleted"),
)

SIDE = "side IN ('left', 'right')"
PHASE = "phase IN ('answer_only', 'with_trace')"


def _id() -> sa.Column:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _text(name: str, *rules: sa.schema.SchemaItem) -> sa.Column:
    return sa.Column(name, sa.Text, *rules, nullable=False)


def _whole(name: str, *rules: sa.schema.SchemaItem) -> sa.Column:
    return sa.Column(name, sa.Integer, *rules, nullable=False)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean, nullable=False)


def _seconds(name: str) -> sa.Column:
    return sa.Column(name, sa.Float, nullable=False)


def _json(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.JSON, nullable=nullable)


def _to(name: str, target: str, nullable: bool = False, unique: bool | None = None) -> sa.Column:
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=nullable, unique=unique)


def _table(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(name, _id(), *columns, sqlite_autoincrement=True)


def upgrade() -> None:
    _table(
        "texts",
        sa.Column("text", sa.Text),
        _text("sha256"),
        _text("created_at"),
        sa.Column("redacted_at", sa.Text),
    )
    _make_plans()
    _make_schedules()
    _make_judgements()
    _table(
        "adjudications",
        _to("study_id", "studies.id"),
        _to("generation_id", "generations.id"),
        _text("item"),
        sa.Column("value", sa.Integer),
        _to("reason_id", "texts.id"),
        _to("user_id", "users.id"),
        _text("created_at"),
    )
    _table(
        "audit",
        _text("at"),
        _text("actor"),
        _text("action"),
        _text("object"),
        _text("content_sha256"),
        _to("reason_id", "texts.id", nullable=True),
        _text("reason_sha256"),
        sa.Column("previous_sha256", sa.Text, nullable=False, unique=True),
        _text("sha256"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for table, event, condition, refusal in GUARDS:
            _guard_sqlite(table, event, condition, refusal)
    elif op.get_bind().dialect.name == "postgresql":
        for table, event, condition, refusal in (*FIRST_GUARDS, *GUARDS):
            _guard_postgresql(table, event, condition, refusal)
        for table in ("ratings", "scores", "presentations", "answers", "studies", "texts", "seats", *APPEND_ONLY):
            _guard_postgresql(table, "TRUNCATE", "", f"{table} are never deleted")


def _guard_sqlite(table: str, event: str, condition: str, refusal: str) -> None:
    when = f"WHEN {condition}" if condition else ""
    op.execute(
        f"CREATE TRIGGER {table}_{event.lower()} BEFORE {event} ON {table} {when} "
        f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    )


def _guard_postgresql(table: str, event: str, condition: str, refusal: str) -> None:
    name = f"{table}_{event.lower()}"
    each = "STATEMENT" if event == "TRUNCATE" else "ROW"
    when = f"WHEN ({condition})" if condition else ""
    op.execute(
        f"CREATE FUNCTION {name}_refused() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {each} {when} EXECUTE FUNCTION {name}_refused()"
    )


def _make_plans() -> None:
    _table(
        "studies",
        _text("name"),
        sa.Column("name_key", sa.Text, nullable=False, unique=True),
        _text("state"),
        _text("secret"),
        _text("plan"),
        _text("plan_sha256"),
        _whole("plan_no"),
        _to("created_by", "users.id"),
        _text("created_at"),
    )
    _table(
        "study_cases",
        _to("study_id", "studies.id"),
        _whole("plan_no"),
        _whole("number"),
        _text("case_id"),
        _text("kind"),
        _text("specialty"),
        _to("text_id", "texts.id"),
        _text("reference_answer"),
        _json("must_contain"),
        _text("source"),
        sa.UniqueConstraint("study_id", "plan_no", "case_id"),
    )
    _table(
        "seats",
        _to("study_id", "studies.id"),
        _to("rater_id", "raters.id"),
        _text("created_at"),
        sa.Column("left_at", sa.Text),
        sa.UniqueConstraint("study_id", "rater_id"),
    )
    _table(
        "consents",
        _to("study_id", "studies.id"),
        _to("rater_id", "raters.id"),
        _text("text_sha256"),
        _text("accepted_at"),
        sa.UniqueConstraint("study_id", "rater_id", "text_sha256"),
    )
    _table(
        "generations",
        _to("study_id", "studies.id"),
        _text("case_id"),
        _text("origin"),
        _text("arm", sa.CheckConstraint("arm IN ('baseline', 'finetuned', '')")),
        _whole("sample"),
        _whole("attempt"),
        _text("thinking"),
        _text("thinking_sha256"),
        _text("answer"),
        _text("answer_sha256"),
        _text("finish"),
        _text("fault"),
        _flag("thought"),
        _flag("closed"),
        _whole("prompt_tokens"),
        _whole("thinking_tokens"),
        _whole("answer_tokens"),
        _seconds("first_token_s"),
        _seconds("thinking_s"),
        _seconds("total_s"),
        _json("provenance", nullable=True),
        _json("flags"),
        _json("known_spans"),
        _text("created_at"),
        sa.UniqueConstraint("study_id", "case_id", "origin", "arm", "sample", "attempt"),
    )


def _make_schedules() -> None:
    _table(
        "schedules",
        _to("study_id", "studies.id"),
        _whole("number"),
        _text("body"),
        _text("sha256"),
        _text("created_at"),
        sa.UniqueConstraint("study_id", "number"),
    )
    _table(
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
        sa.UniqueConstraint("study_id", "rater_id", "position"),
        sa.UniqueConstraint("pair_id", "rater_id"),
        sa.CheckConstraint("(study_id IS NULL) <> (pair_id IS NULL)"),
    )
    op.create_index("showings_of_rater", "showings", ["rater_id", "id"])
    _table(
        "openings",
        _to("showing_id", "showings.id"),
        _text("phase", sa.CheckConstraint(PHASE)),
        _text("opened_at"),
        sa.UniqueConstraint("showing_id", "phase"),
    )


def _make_judgements() -> None:
    _table(
        "own_answers",
        _to("showing_id", "showings.id", unique=True),
        _to("text_id", "texts.id", nullable=True),
        sa.Column("confidence", sa.Integer),
        _text("given_at"),
    )
    _table(
        "judgements",
        _to("showing_id", "showings.id"),
        _to("rater_id", "raters.id"),
        _text("phase", sa.CheckConstraint(PHASE)),
        _whole("revision_no"),
        _flag("both_unacceptable"),
        sa.Column("confidence", sa.Integer, sa.CheckConstraint("confidence BETWEEN 1 AND 5")),
        sa.Column("familiarity", sa.Integer, sa.CheckConstraint("familiarity BETWEEN 1 AND 3")),
        sa.Column("guess", sa.Text, sa.CheckConstraint("guess IN ('left', 'right', 'dk')")),
        _to("comment_id", "texts.id", nullable=True),
        _to("reason_id", "texts.id", nullable=True),
        _whole("active_ms"),
        _flag("blinded"),
        _text("idempotency_key"),
        _text("content_sha256"),
        _text("app_version"),
        _text("submitted_at"),
        sa.UniqueConstraint("showing_id", "rater_id", "phase", "revision_no"),
    )
    _table(
        "given",
        _to("judgement_id", "judgements.id"),
        _text("side", sa.CheckConstraint(SIDE)),
        _text("item"),
        sa.Column("value", sa.Integer),
        sa.UniqueConstraint("judgement_id", "side", "item"),
    )
    _table(
        "spans",
        _to("judgement_id", "judgements.id"),
        _whole("number"),
        _text("side", sa.CheckConstraint(SIDE)),
        _text("target"),
        _whole("start"),
        _whole("end"),
        _text("quote"),
        _text("text_sha256"),
        _text("type"),
        _whole("severity", sa.CheckConstraint("severity BETWEEN 1 AND 4")),
        _text("basis"),
        _text("source_note"),
        sa.UniqueConstraint("judgement_id", "number"),
    )
    _table(
        "preferences",
        _to("judgement_id", "judgements.id"),
        _text("axis"),
        sa.Column("value", sa.Integer, sa.CheckConstraint("value BETWEEN -3 AND 3")),
        sa.UniqueConstraint("judgement_id", "axis"),
    )
    _table(
        "skips", _to("showing_id", "showings.id"), _to("reason_id", "texts.id", nullable=True), _text("skipped_at")
    )
    _table(
        "rating_drafts",
        _to("showing_id", "showings.id", unique=True),
        _text("body"),
        _text("updated_at"),
    )


def downgrade() -> None:
    raise NotImplementedError("ratings are never thrown away: restore a backup instead")
