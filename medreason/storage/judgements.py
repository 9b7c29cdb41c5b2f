"""Judgements: appended, never changed. A correction is a further revision beside the first, with its reason.

A submission that says what the rater's newest revision of this showing and phase already says adds nothing, and
neither does one with the key of an act that is stored: a double click, a retry or a second tab makes one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, insert, select

import medreason
from medreason.domain.content import content_sha256
from medreason.domain.items import Phase
from medreason.domain.judgement import Guess, Judgement
from medreason.errors import MedReasonError
from medreason.storage import texts
from medreason.storage.audit import record
from medreason.storage.database import Database, utc_now
from medreason.storage.judgement_parts import KeptMark, keep_parts, read_parts
from medreason.storage.people import pseudonym
from medreason.storage.ratings import is_blind, rated_before
from medreason.storage.study_tables import judgements, rating_drafts
from medreason.storage.tables import raters


class Change(StrEnum):
    """What may follow the first revision of a phase: another, another with a reason, or none."""

    FREE = "free"
    WITH_REASON = "with reason"
    LOCKED = "locked"


@dataclass(frozen=True)
class SavedJudgement:
    """The receipt of one stored judgement."""

    id: int
    revision_no: int
    submitted_at: str


@dataclass(frozen=True)
class StoredJudgement:
    """A judgement as it was kept. `superseded`: a later revision of the same phase stands. The comment and the
    reason say so where they were taken out; `comment_id` and `reason_id` are the numbers of those texts, and
    `marks` its spans with theirs."""

    id: int
    showing_id: int
    rater_id: int
    revision_no: int
    judgement: Judgement
    blinded: bool
    superseded: bool
    content_sha256: str
    app_version: str
    submitted_at: str
    comment_id: int | None = None
    reason_id: int | None = None
    marks: tuple[KeptMark, ...] = ()


class Judgements:
    def __init__(self, database: Database):
        self.database = database

    def append(
        self,
        showing_id: int,
        rater_id: int,
        judgement: Judgement,
        change: Change = Change.FREE,
        note: str = "",
        pair_id: int | None = None,
    ) -> SavedJudgement:
        """Store a judgement; when this returns, it is on the disk, and its draft is gone. `change` says whether
        there may be a second revision; `note` is a further deed to record with it, such as that a warning was
        overridden; `pair_id` is given for a live pair, whose arms the rater may know."""
        with self.database.write() as connection:
            # PostgreSQL: one submission of a rater at a time, so that revisions are numbered in turn.
            connection.execute(select(raters.c.id).where(raters.c.id == rater_id).with_for_update())
            return _append(connection, showing_id, rater_id, judgement, change, note, pair_id)

    def of(self, showing_ids: Sequence[int]) -> tuple[StoredJudgement, ...]:
        """Every revision of these showings in the order of saving: one consistent view."""
        found: list[StoredJudgement] = []
        with self.database.read() as connection:
            for start in range(0, len(showing_ids), 500):
                found += _read(connection, judgements.c.showing_id.in_(showing_ids[start : start + 500]))
        return tuple(sorted(found, key=lambda one: one.id))

    def latest(self, showing_id: int, phase: Phase) -> StoredJudgement | None:
        """The revision that stands."""
        with self.database.read() as connection:
            found = _read(connection, judgements.c.showing_id == showing_id, judgements.c.phase == str(phase))
        return found[-1] if found else None

    def finished(self, showing_ids: Sequence[int], phase: Phase) -> dict[int, tuple[str, int]]:
        """When each showing's phase was last submitted, and how long it took in milliseconds; in the order of
        saving."""
        found: dict[int, tuple[str, int]] = {}
        columns = select(judgements.c.showing_id, judgements.c.submitted_at, judgements.c.active_ms)
        with self.database.read() as connection:
            for start in range(0, len(showing_ids), 500):
                some = judgements.c.showing_id.in_(showing_ids[start : start + 500])
                query = columns.where(some, judgements.c.phase == str(phase)).order_by(judgements.c.id)
                for row in connection.execute(query):
                    found.pop(row.showing_id, None)  # so that the order is that of the last saving
                    found[row.showing_id] = (row.submitted_at, row.active_ms)
        return found


def _append(
    connection: Connection,
    showing_id: int,
    rater_id: int,
    judgement: Judgement,
    change: Change,
    note: str,
    pair_id: int | None,
) -> SavedJudgement:
    content = content_sha256(judgement)
    mine = (
        (judgements.c.showing_id == showing_id)
        & (judgements.c.rater_id == rater_id)
        & (judgements.c.phase == str(judgement.phase))
    )
    kept = connection.execute(select(judgements).where(mine).order_by(judgements.c.revision_no)).all()
    for row in kept:
        same_act = judgement.idempotency_key and row.idempotency_key == judgement.idempotency_key
        if row.content_sha256 == content and (same_act or row is kept[-1]):
            return SavedJudgement(row.id, row.revision_no, row.submitted_at)
        if same_act:
            raise MedReasonError(
                "This was saved before with other values. Open the case again, and save the change as a revision."
            )
    if kept and change is Change.LOCKED:
        raise MedReasonError("This part is locked since it was saved. Revise the scores in the part that follows.")
    if kept and change is Change.WITH_REASON and not judgement.reason.strip():
        raise MedReasonError("Not saved yet: say in a few words why you change what you gave. The first is kept.")
    actor = pseudonym(rater_id)
    comment, reason = texts.keep(connection, judgement.comment), texts.keep(connection, judgement.reason)
    revision_no, submitted_at = len(kept) + 1, utc_now()
    blinded = True
    if pair_id is not None:
        revision_no += rated_before(connection, pair_id, rater_id)
        blinded = is_blind(connection, pair_id, rater_id)
    new = insert(judgements).values(
        showing_id=showing_id,
        rater_id=rater_id,
        phase=str(judgement.phase),
        revision_no=revision_no,
        both_unacceptable=judgement.both_unacceptable,
        confidence=judgement.confidence,
        familiarity=judgement.familiarity,
        guess=str(judgement.guess) if judgement.guess else None,
        comment_id=comment.id if comment else None,
        reason_id=reason.id if reason else None,
        active_ms=judgement.active_ms,
        blinded=blinded,
        idempotency_key=judgement.idempotency_key,
        content_sha256=content,
        app_version=medreason.__version__,
        submitted_at=submitted_at,
    )
    judgement_id = connection.execute(new.returning(judgements.c.id)).scalar_one()
    keep_parts(connection, judgement_id, judgement)
    connection.execute(delete(rating_drafts).where(rating_drafts.c.showing_id == showing_id))
    if note:
        record(connection, actor, note, f"showing:{showing_id}")
    action = "judged" if revision_no == 1 else f"revision {revision_no}"
    what = f"showing:{showing_id}/{judgement.phase}"
    record(connection, actor, action, what, content, reason)
    return SavedJudgement(judgement_id, revision_no, submitted_at)


def _read(connection: Connection, *conditions: ColumnElement[bool]) -> list[StoredJudgement]:
    rows = connection.execute(select(judgements).where(*conditions).order_by(judgements.c.id)).all()
    wanted = select(judgements.c.id).where(*conditions)
    words = texts.read(connection, {one for row in rows for one in (row.comment_id, row.reason_id) if one})
    parts = read_parts(connection, wanted)
    newest = {(row.showing_id, row.phase): row.revision_no for row in rows}
    return [
        StoredJudgement(
            id=row.id,
            showing_id=row.showing_id,
            rater_id=row.rater_id,
            revision_no=row.revision_no,
            judgement=Judgement(
                phase=Phase(row.phase),
                given=tuple(parts[row.id].given),
                spans=tuple(mark.span for mark in parts[row.id].marks),
                preferred=tuple(parts[row.id].preferred),
                both_unacceptable=row.both_unacceptable,
                confidence=row.confidence,
                familiarity=row.familiarity,
                guess=Guess(row.guess) if row.guess else None,
                comment=words[row.comment_id] if row.comment_id else "",
                reason=words[row.reason_id] if row.reason_id else "",
                active_ms=row.active_ms,
                idempotency_key=row.idempotency_key,
            ),
            blinded=row.blinded,
            superseded=row.revision_no < newest[row.showing_id, row.phase],
            content_sha256=row.content_sha256,
            app_version=row.app_version,
            submitted_at=row.submitted_at,
            comment_id=row.comment_id,
            reason_id=row.reason_id,
            marks=tuple(parts[row.id].marks),
        )
        for row in rows
    ]
