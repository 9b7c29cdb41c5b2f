"""What people have typed: kept apart from everything that refers to it, so that an admin can take a text out.

Its hash, and that it was there, stay for good.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from medreason.domain.span import text_sha256
from medreason.errors import NotFound
from medreason.storage.database import utc_now
from medreason.storage.study_tables import texts

TAKEN_OUT = "[This text was taken out.]"


@dataclass(frozen=True)
class Kept:
    """A stored text: its number and hash."""

    id: int
    sha256: str


def keep(connection: Connection, text: str) -> Kept | None:
    """Store a text in the caller's transaction; None for an empty one."""
    if not text:
        return None
    sha256 = text_sha256(text)
    new = insert(texts).values(text=text, sha256=sha256, created_at=utc_now())
    return Kept(connection.execute(new.returning(texts.c.id)).scalar_one(), sha256)


def take_out(connection: Connection, text_id: int) -> str:
    """Remove a text for good and give its hash, which stays."""
    row = connection.execute(select(texts).where(texts.c.id == text_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such text.")
    if row.redacted_at is None:
        connection.execute(update(texts).where(texts.c.id == text_id).values(text=None, redacted_at=utc_now()))
    return row.sha256


def read(connection: Connection, ids: set[int]) -> dict[int, str]:
    """The texts of these numbers; where one was taken out, a sentence that says so."""
    found: dict[int, str] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), 500):
        some = texts.c.id.in_(wanted[start : start + 500])
        for row in connection.execute(select(texts.c.id, texts.c.text).where(some)):
            found[row.id] = TAKEN_OUT if row.text is None else row.text
    return found
