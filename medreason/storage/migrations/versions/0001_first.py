"""First schema: people, pairs of answers, ratings; and what may never be changed again.

It spells the tables out instead of taking them from `tables.py`, because a migration must go on making
what it made on the day it was written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# table, event, condition, what is refused
GUARDS = (
    ("ratings", "UPDATE", "", "ratings are kept as they were given"),
    ("ratings", "DELETE", "", "ratings are never deleted"),
    ("scores", "UPDATE", "", "scores are kept as they were given"),
    ("scores", "DELETE", "", "scores are never deleted"),
    (
        "presentations",
        "UPDATE",
        "WHEN OLD.left_arm <> NEW.left_arm OR OLD.blinded <> NEW.blinded OR OLD.revealed_at IS NOT NULL",
        "drawn sides stay as drawn",
    ),
    ("presentations", "DELETE", "", "drawn sides are never deleted"),
    ("answers", "UPDATE", "WHEN OLD.finish <> 'cancelled'", "a finished answer stays as it is"),
    ("answers", "DELETE", "", "answers are never deleted"),
)


def _id() -> sa.Column:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=False)


def _table(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(name, _id(), *columns, sqlite_autoincrement=True)


def _to(name: str, target: str) -> sa.Column:
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=False)


def upgrade() -> None:
    _table(
        "users",
        _text("name"),
        sa.Column("name_key", sa.Text, nullable=False, unique=True),
        _text("role"),
        _text("created_at"),
    )
    _table(
        "raters",
        _to("user_id", "users.id"),
        _text("name"),
        _text("name_key"),
        _text("created_at"),
        sa.UniqueConstraint("user_id", "name_key"),
    )
    _table("conversations", _to("user_id", "users.id"), _text("created_at"))
    _table(
        "pairs",
        _to("conversation_id", "conversations.id"),
        sa.Column("turn", sa.Integer, nullable=False),
        _to("user_id", "users.id"),
        sa.Column("case_id", sa.Text),
        _text("specialty"),
        _text("question"),
        _text("system_prompt"),
        sa.Column("sampling", sa.JSON, nullable=False),
        _text("created_at"),
        sa.UniqueConstraint("conversation_id", "turn"),
    )
    op.create_index("pairs_of_user", "pairs", ["user_id", "id"])
    _table(
        "presentations",
        sa.Column("pair_id", sa.Integer, sa.ForeignKey("pairs.id"), nullable=False, unique=True),
        sa.Column(
            "left_arm", sa.Text, sa.CheckConstraint("left_arm IN ('baseline', 'finetuned')"), nullable=False
        ),
        sa.Column("blinded", sa.Boolean, nullable=False),
        sa.Column("revealed_at", sa.Text),
        _text("created_at"),
    )
    _table(
        "answers",
        _to("pair_id", "pairs.id"),
        sa.Column("arm", sa.Text, sa.CheckConstraint("arm IN ('baseline', 'finetuned')"), nullable=False),
        _text("thinking"),
        _text("text"),
        _text("finish"),
        _text("fault"),
        sa.Column("thought", sa.Boolean, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("thinking_tokens", sa.Integer, nullable=False),
        sa.Column("answer_tokens", sa.Integer, nullable=False),
        sa.Column("first_token_s", sa.Float, nullable=False),
        sa.Column("thinking_s", sa.Float, nullable=False),
        sa.Column("total_s", sa.Float, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        _text("created_at"),
        _text("updated_at"),
        sa.UniqueConstraint("pair_id", "arm"),
    )
    _table(
        "ratings",
        _to("pair_id", "pairs.id"),
        _to("presentation_id", "presentations.id"),
        _to("rater_id", "raters.id"),
        sa.Column("revision_no", sa.Integer, nullable=False),
        sa.Column("preference", sa.Integer, sa.CheckConstraint("preference BETWEEN -3 AND 3")),
        _text("comment"),
        sa.Column("blinded", sa.Boolean, nullable=False),
        _text("idempotency_key"),
        _text("content_sha256"),
        _text("app_version"),
        _text("submitted_at"),
        sa.UniqueConstraint("pair_id", "rater_id", "revision_no"),
    )
    _table(
        "scores",
        _to("rating_id", "ratings.id"),
        sa.Column("side", sa.Text, sa.CheckConstraint("side IN ('left', 'right')"), nullable=False),
        sa.Column("axis", sa.Text, sa.CheckConstraint("axis IN ('D', 'F', 'H')"), nullable=False),
        sa.Column("value", sa.Integer, sa.CheckConstraint("value BETWEEN 1 AND 5")),
        sa.UniqueConstraint("rating_id", "side", "axis"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for table, event, condition, refusal in GUARDS:
            op.execute(
                f"CREATE TRIGGER {table}_{event.lower()} BEFORE {event} ON {table} {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )


def downgrade() -> None:
    raise NotImplementedError("ratings are never thrown away: restore a backup instead")
