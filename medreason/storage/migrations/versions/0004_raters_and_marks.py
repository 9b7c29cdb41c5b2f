"""What raters say of their profession, and what the lead settles about a mark; both append-only, the last counts.

The source that a rater names for a mark stands with the other typed texts from now on, so that it can be taken
out like them; those of before stay where they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MADE = ("rater_facts", "settled_marks")


def _id() -> sa.Column:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _to(name: str, target: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Integer, sa.ForeignKey(target), nullable=nullable)


def _text(name: str, *rules: sa.schema.SchemaItem) -> sa.Column:
    return sa.Column(name, sa.Text, *rules, nullable=False)


def upgrade() -> None:
    op.create_table(
        "rater_facts",
        _id(),
        _to("rater_id", "raters.id"),
        _text("profession"),
        _text("specialty"),
        sa.Column("years", sa.Integer, sa.CheckConstraint("years BETWEEN 0 AND 80")),
        _text("created_at"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "settled_marks",
        _id(),
        _to("study_id", "studies.id"),
        _to("span_id", "spans.id"),
        _text("verdict", sa.CheckConstraint("verdict IN ('yes', 'no', 'merged')")),
        _to("merged_into", "spans.id", nullable=True),
        _to("reason_id", "texts.id"),
        _to("user_id", "users.id"),
        _text("created_at"),
        sa.CheckConstraint("(verdict = 'merged') = (merged_into IS NOT NULL)"),
        sqlite_autoincrement=True,
    )
    op.execute("ALTER TABLE spans ADD COLUMN source_note_id INTEGER REFERENCES texts (id)")
    for table in MADE:
        for event in ("UPDATE", "DELETE"):
            _guard(table, event)
        if op.get_bind().dialect.name == "postgresql":
            _guard(table, "TRUNCATE")


def _guard(table: str, event: str) -> None:
    name, refusal = f"{table}_{event.lower()}", f"{table} are append-only"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{refusal}'); END")
        return
    each = "STATEMENT" if event == "TRUNCATE" else "ROW"
    op.execute(
        f"CREATE FUNCTION {name}_refused() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}_refused()"
    )


def downgrade() -> None:
    raise NotImplementedError("ratings are never thrown away: restore a backup instead")
