"""The audit: who did what when, each entry chained to the one before by a hash. Appended in the same transaction
as the deed, so that neither is there without the other.

The chain runs over hashes, never contents: a text can be taken out and the chain still holds. Entries follow
each other by id, never by time. The last entry's hash, kept elsewhere (every export states it), also shows
whether entries were cut off at the end.
"""

import hashlib
import json
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select

from medreason.storage.database import Database, utc_now
from medreason.storage.study_tables import audit, texts
from medreason.storage.texts import Kept, keep

BEGINNING = "0" * 64
CHAINED = ("at", "actor", "action", "object", "content_sha256", "reason_sha256", "previous_sha256")


@dataclass(frozen=True)
class Entry:
    """One deed. `actor` is a user's or rater's id in words such as "user:1" or "R03"; `reason` is empty where none
    was given, and where it was taken out (then its hash remains)."""

    id: int
    at: str
    actor: str
    action: str
    object: str
    content_sha256: str
    reason: str
    reason_sha256: str
    sha256: str


@dataclass(frozen=True)
class Verdict:
    """Whether the chain holds. `broken_at` is the id of the first entry that does not fit, None where all do."""

    entries: int
    head: str
    broken_at: int | None = None

    @property
    def holds(self) -> bool:
        return self.broken_at is None


def record(
    connection: Connection,
    actor: str,
    action: str,
    object: str,
    content_sha256: str = "",
    reason: Kept | None = None,
) -> None:
    """Append an entry in the caller's transaction of `Database.write`, which has one writer at a time."""
    last = select(audit.c.sha256).order_by(audit.c.id.desc()).limit(1)
    entry = {
        "at": utc_now(),
        "actor": actor,
        "action": action,
        "object": object,
        "content_sha256": content_sha256,
        "reason_sha256": reason.sha256 if reason else "",
        "previous_sha256": connection.execute(last).scalar_one_or_none() or BEGINNING,
    }
    kept = {"reason_id": reason.id if reason else None, "sha256": _sha256(entry)}
    connection.execute(insert(audit).values(entry | kept))


class Audit:
    def __init__(self, database: Database):
        self.database = database

    def entries(self, object: str = "") -> tuple[Entry, ...]:
        """The entries about one object in order, or all of them."""
        query = (
            select(audit, texts.c.text.label("reason"))
            .join(texts, texts.c.id == audit.c.reason_id, isouter=True)
            .order_by(audit.c.id)
        )
        if object:
            query = query.where(audit.c.object == object)
        with self.database.read() as connection:
            return tuple(_entry(row) for row in connection.execute(query))

    def actors(self, object: str, action: str) -> frozenset[str]:
        """Who did this to that object."""
        query = select(audit.c.actor).where(audit.c.object == object, audit.c.action == action).distinct()
        with self.database.read() as connection:
            return frozenset(connection.scalars(query))

    def note(self, actor: str, action: str, object: str, content_sha256: str = "", reason: str = "") -> None:
        """An entry for a deed that changes no other table."""
        with self.database.write() as connection:
            record(connection, actor, action, object, content_sha256, keep(connection, reason))

    def verify(self) -> Verdict:
        """Walk the whole chain."""
        previous, entries = BEGINNING, 0
        with self.database.read() as connection:
            for row in connection.execute(select(audit).order_by(audit.c.id)):
                entries += 1
                entry = {name: getattr(row, name) for name in CHAINED}
                if row.previous_sha256 != previous or row.sha256 != _sha256(entry):
                    return Verdict(entries, previous, row.id)
                previous = row.sha256
        return Verdict(entries, previous)


def _sha256(entry: dict[str, str]) -> str:
    words = json.dumps([entry[name] for name in CHAINED], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(words.encode("utf-8")).hexdigest()


def _entry(row: Row) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        object=row.object,
        content_sha256=row.content_sha256,
        reason=row.reason or "",
        reason_sha256=row.reason_sha256,
        sha256=row.sha256,
    )
