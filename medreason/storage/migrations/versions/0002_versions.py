"""Versions: a turn may be asked again or continued, and every version is kept.

SQLite cannot change a unique constraint, so there the table is made anew and filled from the old one.
Every pair of before is the only, shown version of its turn.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEPT = "id, conversation_id, turn, user_id, case_id, specialty, question, system_prompt, sampling, created_at"
# event, condition, what is refused; which version is shown is all that changes
GUARDS = (
    (
        "UPDATE",
        "WHEN OLD.id <> NEW.id OR OLD.conversation_id <> NEW.conversation_id OR OLD.turn <> NEW.turn "
        "OR OLD.version <> NEW.version OR OLD.continues IS NOT NEW.continues OR OLD.user_id <> NEW.user_id "
        "OR OLD.case_id IS NOT NEW.case_id OR OLD.specialty <> NEW.specialty OR OLD.question <> NEW.question "
        "OR OLD.system_prompt <> NEW.system_prompt OR OLD.sampling <> NEW.sampling "
        "OR OLD.created_at <> NEW.created_at",
        "a question stays as it was asked",
    ),
    ("DELETE", "", "questions are never deleted"),
)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=False)


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _make_anew()
    else:
        _alter()
    op.create_index("pairs_of_user", "pairs", ["user_id", "id"], if_not_exists=True)
    op.create_index(
        "shown_version",
        "pairs",
        ["conversation_id", "turn"],
        unique=True,
        sqlite_where=sa.text("shown"),
        postgresql_where=sa.text("shown"),
    )


def _make_anew() -> None:
    op.create_table(
        "pairs_anew",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.Integer, sa.ForeignKey("conversations.id"), nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("shown", sa.Boolean, nullable=False),
        sa.Column("continues", sa.Integer, sa.ForeignKey("pairs.id")),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("case_id", sa.Text),
        _text("specialty"),
        _text("question"),
        _text("system_prompt"),
        sa.Column("sampling", sa.JSON, nullable=False),
        _text("created_at"),
        sa.UniqueConstraint("conversation_id", "turn", "version"),
        sqlite_autoincrement=True,
    )
    op.execute(f"INSERT INTO pairs_anew ({KEPT}, version, shown) SELECT {KEPT}, 1, 1 FROM pairs")
    op.execute("DROP TABLE pairs")
    op.execute("ALTER TABLE pairs_anew RENAME TO pairs")
    for event, condition, refusal in GUARDS:
        op.execute(
            f"CREATE TRIGGER pairs_{event.lower()} BEFORE {event} ON pairs {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )


def _alter() -> None:
    op.add_column("pairs", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.add_column("pairs", sa.Column("shown", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("pairs", sa.Column("continues", sa.Integer, sa.ForeignKey("pairs.id")))
    op.alter_column("pairs", "version", server_default=None)
    op.alter_column("pairs", "shown", server_default=None)
    op.drop_constraint("pairs_conversation_id_turn_key", "pairs", type_="unique")
    op.create_unique_constraint(None, "pairs", ["conversation_id", "turn", "version"])


def downgrade() -> None:
    raise NotImplementedError("answers are never thrown away: restore a backup instead")
