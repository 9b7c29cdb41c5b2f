"""The tables, as SQLAlchemy sees them. The migrations make them; a test keeps the two the same.

A turn of a conversation may have several versions, each a pair of its own; one of them is shown.
Times are UTC in ISO 8601, kept as text; order is told by id, never by time. What a trigger guards
(ratings are append-only, drawn sides and finished answers stay) stands in the migrations.
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
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

# Oldest first. Each is the name of a migration; the last is what this program reads and writes.
SCHEMAS = ("0001", "0002", "0003", "0004", "0005")

metadata = MetaData()


def _table(name: str, *columns: Column | UniqueConstraint | CheckConstraint | Index) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=True),
        *columns,
        sqlite_autoincrement=True,
    )


users = _table(
    "users",
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

raters = _table(
    "raters",
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("user_id", "name_key"),
)

rater_facts = _table(
    "rater_facts",
    Column("rater_id", ForeignKey("raters.id"), nullable=False),
    Column("profession", Text, nullable=False),
    Column("specialty", Text, nullable=False),
    Column("years", Integer, CheckConstraint("years BETWEEN 0 AND 80")),
    Column("created_at", Text, nullable=False),
)

conversations = _table(
    "conversations",
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", Text, nullable=False),
)

pairs = _table(
    "pairs",
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("continues", ForeignKey("pairs.id")),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("case_id", Text),
    Column("specialty", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("system_prompt", Text, nullable=False),
    Column("sampling", JSON, nullable=False),
    Column("created_at", Text, nullable=False),
    UniqueConstraint("conversation_id", "turn", "version"),
    Index("pairs_of_user", "user_id", "id"),
    Index(
        "shown_version",
        "conversation_id",
        "turn",
        unique=True,
        sqlite_where=text("shown"),
        postgresql_where=text("shown"),
    ),
)

presentations = _table(
    "presentations",
    Column("pair_id", ForeignKey("pairs.id"), nullable=False, unique=True),
    Column("left_arm", Text, CheckConstraint("left_arm IN ('baseline', 'finetuned')"), nullable=False),
    Column("blinded", Boolean, nullable=False),
    Column("revealed_at", Text),
    Column("created_at", Text, nullable=False),
)

answers = _table(
    "answers",
    Column("pair_id", ForeignKey("pairs.id"), nullable=False),
    Column("arm", Text, CheckConstraint("arm IN ('baseline', 'finetuned')"), nullable=False),
    Column("thinking", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("finish", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("thought", Boolean, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("thinking_tokens", Integer, nullable=False),
    Column("answer_tokens", Integer, nullable=False),
    Column("first_token_s", Float, nullable=False),
    Column("thinking_s", Float, nullable=False),
    Column("total_s", Float, nullable=False),
    Column("provenance", JSON, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    UniqueConstraint("pair_id", "arm"),
)

ratings = _table(
    "ratings",
    Column("pair_id", ForeignKey("pairs.id"), nullable=False),
    Column("presentation_id", ForeignKey("presentations.id"), nullable=False),
    Column("rater_id", ForeignKey("raters.id"), nullable=False),
    Column("revision_no", Integer, nullable=False),
    Column("preference", Integer, CheckConstraint("preference BETWEEN -3 AND 3")),
    Column("comment", Text, nullable=False),
    Column("blinded", Boolean, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("app_version", Text, nullable=False),
    Column("submitted_at", Text, nullable=False),
    UniqueConstraint("pair_id", "rater_id", "revision_no"),
)

scores = _table(
    "scores",
    Column("rating_id", ForeignKey("ratings.id"), nullable=False),
    Column("side", Text, CheckConstraint("side IN ('left', 'right')"), nullable=False),
    Column("axis", Text, CheckConstraint("axis IN ('D', 'F', 'H')"), nullable=False),
    Column("value", Integer, CheckConstraint("value BETWEEN 1 AND 5")),
    UniqueConstraint("rating_id", "side", "axis"),
)
