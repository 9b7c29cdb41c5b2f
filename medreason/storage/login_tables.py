"""The tables of logging in, as SQLAlchemy sees them: passwords, logins, and tries that failed.

No password, and no token that a browser holds, stands in them: only hashes. Logins and tries are worked with and
may be cleared away; who did what stands in the audit.
"""

from sqlalchemy import Column, ForeignKey, Index, Text

from medreason.storage.tables import _table as make_table

credentials = make_table(
    "credentials",
    Column("user_id", ForeignKey("users.id"), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("disabled_at", Text),
)

logins = make_table(
    "logins",
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("token_sha256", Text, nullable=False, unique=True),
    Column("created_at", Text, nullable=False),
    Column("used_at", Text, nullable=False),
    Column("ends_at", Text, nullable=False),
    Column("ended_at", Text),
    Index("logins_of_user", "user_id", "id"),
)

login_tries = make_table(
    "login_tries",
    Column("name_sha256", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("told_at", Text),
    Index("login_tries_of_name", "name_sha256", "at"),
    Index("login_tries_of_address", "address", "at"),
)
