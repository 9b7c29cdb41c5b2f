"""What goes with a rating session besides judgements: drafts, own answers and skips."""

import json
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update

from medreason.storage import texts
from medreason.storage.audit import record
from medreason.storage.database import Database, utc_now
from medreason.storage.people import pseudonym
from medreason.storage.showings import lock_showing
from medreason.storage.study_tables import own_answers, rating_drafts, skips


@dataclass(frozen=True)
class OwnAnswer:
    """What a rater would have said, given before anything was shown; empty where they gave none."""

    text: str
    confidence: int | None
    text_id: int | None = None


@dataclass(frozen=True)
class TypedNote:
    """A text typed in a session: an own answer, or why a case was skipped."""

    showing_id: int
    kind: str
    text_id: int
    text: str


class SessionNotes:
    def __init__(self, database: Database):
        self.database = database

    def save_draft(self, showing_id: int, draft: dict) -> None:
        """Keep what is filled in so far in place of what was kept before."""
        body = json.dumps(draft, ensure_ascii=False, allow_nan=False)
        here = rating_drafts.c.showing_id == showing_id
        with self.database.write() as connection:
            lock_showing(connection, showing_id)
            changed = update(rating_drafts).where(here).values(body=body, updated_at=utc_now())
            if not connection.execute(changed).rowcount:
                connection.execute(
                    insert(rating_drafts).values(showing_id=showing_id, body=body, updated_at=utc_now())
                )

    def draft(self, showing_id: int) -> dict:
        """The draft of a showing, empty where there is none."""
        query = select(rating_drafts.c.body).where(rating_drafts.c.showing_id == showing_id)
        with self.database.read() as connection:
            body = connection.execute(query).scalar_one_or_none()
        return json.loads(body) if body else {}

    def own_answer(self, showing_id: int) -> OwnAnswer | None:
        query = select(own_answers).where(own_answers.c.showing_id == showing_id)
        with self.database.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            words = texts.read(connection, {row.text_id}) if row.text_id else {}
            return OwnAnswer(words.get(row.text_id, ""), row.confidence, row.text_id)

    def keep_own_answer(
        self, showing_id: int, rater_id: int, text: str, confidence: int | None, note: str = ""
    ) -> None:
        """Keep a rater's own answer; the first one stands."""
        query = select(own_answers.c.id).where(own_answers.c.showing_id == showing_id)
        with self.database.write() as connection:
            lock_showing(connection, showing_id)
            if connection.execute(query).first() is not None:
                return
            kept = texts.keep(connection, text)
            values = {"text_id": kept.id if kept else None, "confidence": confidence, "given_at": utc_now()}
            connection.execute(insert(own_answers).values(showing_id=showing_id, **values))
            if note:
                record(connection, pseudonym(rater_id), note, f"showing:{showing_id}")
            record(
                connection, pseudonym(rater_id), "own answer", f"showing:{showing_id}", kept.sha256 if kept else ""
            )

    def skip(
        self, showing_id: int, rater_id: int, reason: str, note: str = "", skipped_before: int | None = None
    ) -> None:
        """Keep that a rater skipped a showing, and why. `skipped_before`: how often it had been skipped when the
        rater saw it; sent again by a retry or a second tab, it is the same skip, and is kept once."""
        times = select(func.count()).select_from(skips).where(skips.c.showing_id == showing_id)
        with self.database.write() as connection:
            if skipped_before is not None and connection.execute(times).scalar_one() > skipped_before:
                return
            kept = texts.keep(connection, reason)
            values = {"reason_id": kept.id if kept else None, "skipped_at": utc_now()}
            connection.execute(insert(skips).values(showing_id=showing_id, **values))
            connection.execute(delete(rating_drafts).where(rating_drafts.c.showing_id == showing_id))
            if note:
                record(connection, pseudonym(rater_id), note, f"showing:{showing_id}")
            record(connection, pseudonym(rater_id), "skipped", f"showing:{showing_id}", reason=kept)

    def typed(self, showing_ids: list[int]) -> tuple[TypedNote, ...]:
        """Own answers, then reasons for skipping, of these showings."""
        found: list[TypedNote] = []
        sources = (
            ("own answer", own_answers.c.showing_id, own_answers.c.text_id, own_answers.c.id),
            ("skip", skips.c.showing_id, skips.c.reason_id, skips.c.id),
        )
        with self.database.read() as connection:
            for kind, showing, text_id, order in sources:
                for start in range(0, len(showing_ids), 500):
                    some = showing.in_(showing_ids[start : start + 500]) & text_id.is_not(None)
                    rows = connection.execute(select(showing, text_id).where(some).order_by(order)).all()
                    words = texts.read(connection, {row[1] for row in rows})
                    found += [TypedNote(row[0], kind, row[1], words[row[1]]) for row in rows]
        return tuple(found)

    def skipped(self, showing_ids: list[int]) -> dict[int, int]:
        """How often each showing was skipped; those never skipped are left out."""
        found: dict[int, int] = {}
        with self.database.read() as connection:
            for start in range(0, len(showing_ids), 500):
                some = skips.c.showing_id.in_(showing_ids[start : start + 500])
                query = select(skips.c.showing_id, func.count().label("times")).where(some)
                for row in connection.execute(query.group_by(skips.c.showing_id)):
                    found[row.showing_id] = row.times
        return found
