"""Passwords, logins and failed tries. It spells the tables out, because a migration must go on making what it made
on the day it was written.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _table(name: str, *columns: sa.Column) -> None:
    key = sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)
    op.create_table(name, key, *columns, sqlite_autoincrement=True)


def _text(name: str, **rules: object) -> sa.Column:
    return sa.Column(name, sa.Text, **{"nullable": False, **rules})  # type: ignore[arg-type]


def _user(unique: bool = False) -> sa.Column:
    return sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False, unique=unique)


def upgrade() -> None:
    _table(
        "credentials",
        _user(unique=True),
        _text("password_hash"),
        _text("changed_at"),
        _text("disabled_at", nullable=True),
    )
    _table(
        "logins",
        _user(),
        _text("token_sha256", unique=True),
        _text("created_at"),
        _text("used_at"),
        _text("ends_at"),
        _text("ended_at", nullable=True),
    )
    op.create_index("logins_of_user", "logins", ["user_id", "id"])
    _table("login_tries", _text("name_sha256"), _text("address"), _text("at"), _text("told_at", nullable=True))
    op.create_index("login_tries_of_name", "login_tries", ["name_sha256", "at"])
    op.create_index("login_tries_of_address", "login_tries", ["address", "at"])


def downgrade() -> None:
    raise NotImplementedError("users are never thrown away: restore a backup instead")
