"""Ratings: appended, never changed. A correction is a further revision beside the first.

A submission that says what the rater's newest revision of the pair already says adds nothing, so a
double click, a retry or a second tab makes one rating.
"""

import hashlib
import json
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, insert, select, union

import medreason
from medreason.domain.arms import Side
from medreason.domain.instrument import Axis
from medreason.domain.rating import Rating, Score
from medreason.errors import NotFound
from medreason.storage.database import Database, utc_now
from medreason.storage.study_tables import judgements, showings
from medreason.storage.tables import pairs, presentations, raters, ratings, scores


@dataclass(frozen=True)
class SavedRating:
    """The receipt of one stored rating."""

    id: int
    revision_no: int
    submitted_at: str


@dataclass(frozen=True)
class StoredRating:
    """A rating as it was kept. `blinded`: the program had not shown this rater which arm was which.
    `superseded`: a later revision of the same rater stands."""

    id: int
    pair_id: int
    presentation_id: int
    rater_id: int
    revision_no: int
    rating: Rating
    blinded: bool
    superseded: bool
    app_version: str
    submitted_at: str


class Ratings:
    def __init__(self, database: Database):
        self.database = database

    def append(self, pair_id: int, rater_id: int, rating: Rating) -> SavedRating:
        """Store a rating; when this returns, it is on the disk."""
        with self.database.write() as connection:
            # PostgreSQL: one submission of a rater at a time, so that revisions are numbered in turn.
            # SQLite knows no row locks and needs none, since it has one writer.
            connection.execute(select(raters.c.id).where(raters.c.id == rater_id).with_for_update())
            return _append(connection, pair_id, rater_id, rating)

    def latest(self, pair_id: int, rater_id: int) -> StoredRating | None:
        """The revision that stands."""
        found = self._read(ratings.c.pair_id == pair_id, ratings.c.rater_id == rater_id)
        return found[-1] if found else None

    def all(self) -> tuple[StoredRating, ...]:
        """Every revision of every rating in the order of saving: one consistent view."""
        return self._read()

    def presentations(self, pair_ids: list[int]) -> dict[int, int]:
        """The number of each pair's presentation."""
        found: dict[int, int] = {}
        with self.database.read() as connection:
            for start in range(0, len(pair_ids), 500):
                some = presentations.c.pair_id.in_(pair_ids[start : start + 500])
                for row in connection.execute(select(presentations.c.pair_id, presentations.c.id).where(some)):
                    found[row.pair_id] = row.id
        return found

    def _read(self, *conditions: ColumnElement[bool]) -> tuple[StoredRating, ...]:
        wanted = select(ratings.c.id).where(*conditions)
        given: dict[int, list[Score]] = {}
        with self.database.read() as connection:
            rows = connection.execute(select(ratings).where(*conditions).order_by(ratings.c.id)).all()
            for row in connection.execute(
                select(scores).where(scores.c.rating_id.in_(wanted)).order_by(scores.c.id)
            ):
                score = Score(Side(row.side), Axis(row.axis), row.value)
                given.setdefault(row.rating_id, []).append(score)
        newest = {(row.pair_id, row.rater_id): row.revision_no for row in rows}
        return tuple(
            StoredRating(
                id=row.id,
                pair_id=row.pair_id,
                presentation_id=row.presentation_id,
                rater_id=row.rater_id,
                revision_no=row.revision_no,
                rating=Rating(tuple(given[row.id]), row.preference, row.comment, row.idempotency_key),
                blinded=row.blinded,
                superseded=row.revision_no < newest[row.pair_id, row.rater_id],
                app_version=row.app_version,
                submitted_at=row.submitted_at,
            )
            for row in rows
        )


def _append(connection: Connection, pair_id: int, rater_id: int, rating: Rating) -> SavedRating:
    content = _content(rating)
    mine = (ratings.c.pair_id == pair_id) & (ratings.c.rater_id == rater_id)
    kept = connection.execute(select(ratings).where(mine).order_by(ratings.c.revision_no)).all()
    for row in kept:
        same_act = rating.idempotency_key and row.idempotency_key == rating.idempotency_key
        if row.content_sha256 == content and (same_act or row is kept[-1]):
            return SavedRating(row.id, row.revision_no, row.submitted_at)
    place = select(presentations.c.id).where(presentations.c.pair_id == pair_id)
    presentation_id = connection.execute(place).scalar_one_or_none()
    if presentation_id is None:
        raise NotFound("This pair of answers is not there. Pick another in Rate.")
    revision_no, submitted_at = len(kept) + 1, utc_now()
    new = insert(ratings).values(
        pair_id=pair_id,
        presentation_id=presentation_id,
        rater_id=rater_id,
        revision_no=revision_no,
        preference=rating.preference,
        comment=rating.comment,
        blinded=is_blind(connection, pair_id, rater_id),
        idempotency_key=rating.idempotency_key,
        content_sha256=content,
        app_version=medreason.__version__,
        submitted_at=submitted_at,
    )
    rating_id = connection.execute(new.returning(ratings.c.id)).scalar_one()
    connection.execute(
        insert(scores),
        [
            {"rating_id": rating_id, "side": str(s.side), "axis": str(s.axis), "value": s.value}
            for s in rating.scores
        ],
    )
    return SavedRating(rating_id, revision_no, submitted_at)


def is_blind(connection: Connection, pair_id: int, rater_id: int) -> bool:
    """False as soon as the program has shown this rater the arms of any turn of the conversation, whose
    sides are the same: an unblinded turn, one that this rater has rated, or one shown without a rating."""
    conversation = select(pairs.c.conversation_id).where(pairs.c.id == pair_id).scalar_subquery()
    turns = (
        select(presentations.c.pair_id, presentations.c.blinded, presentations.c.revealed_at)
        .join(pairs, pairs.c.id == presentations.c.pair_id)
        .where(pairs.c.conversation_id == conversation)
    )
    shown = connection.execute(turns).all()
    by_turn: dict[int, set[int]] = {}
    turn_ids = [turn.pair_id for turn in shown]
    older = select(ratings.c.pair_id, ratings.c.rater_id).where(ratings.c.pair_id.in_(turn_ids))
    newer = (
        select(showings.c.pair_id, showings.c.rater_id)
        .join(judgements, judgements.c.showing_id == showings.c.id)
        .where(showings.c.pair_id.in_(turn_ids))
    )
    for row in connection.execute(union(older, newer)):
        by_turn.setdefault(row.pair_id, set()).add(row.rater_id)
    return all(
        turn.blinded
        and rater_id not in by_turn.get(turn.pair_id, set())
        and (turn.revealed_at is None or turn.pair_id in by_turn)
        for turn in shown
    )


def rated_before(connection: Connection, pair_id: int, rater_id: int) -> int:
    """How many revisions of this rater stand in the older table of ratings."""
    here = (ratings.c.pair_id == pair_id) & (ratings.c.rater_id == rater_id)
    return connection.execute(select(func.count()).select_from(ratings).where(here)).scalar_one()


def _content(rating: Rating) -> str:
    """The hash of what was judged, without the key of the act."""
    values = sorted((str(score.side), str(score.axis), score.value) for score in rating.scores)
    content = json.dumps([values, rating.preference, rating.comment], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()
