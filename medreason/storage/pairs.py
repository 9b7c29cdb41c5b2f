"""Pairs: one question, what both arms said to it, and where each arm stood on the page.

The drawn sides are stored with the pair, before anything can be shown. A finished answer never changes. A turn
that is asked again, or whose answers are continued, gets a further pair: a version of that turn. All are kept,
and one of them is shown.
"""

from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Row, func, insert, select, union, update

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Turn
from medreason.domain.provenance import Provenance
from medreason.domain.rating import Sides
from medreason.domain.sampling import Sampling
from medreason.errors import NotFound
from medreason.storage.answer_columns import answer_of, columns_of
from medreason.storage.database import Database, utc_now
from medreason.storage.pair import WHOLE, Pair, StoredAnswer
from medreason.storage.study_tables import judgements, showings
from medreason.storage.tables import answers, conversations, pairs, presentations, ratings


class Pairs:
    def __init__(self, database: Database):
        self.database = database

    def begin(
        self,
        user_id: int,
        conversation_id: int | None,
        case_id: str | None,
        question: str,
        system_prompt: str,
        sampling: Sampling,
        left: Arm,
        blinded: bool,
        specialty: str = "",
        turn: int | None = None,
        continues: int | None = None,
    ) -> Pair:
        """Store a question and its drawn sides; a new conversation where `conversation_id` is None. `turn` is
        given for a further version of a turn, which is shown from now on; else the question is the next turn."""
        now = utc_now()
        with self.database.write() as connection:
            if conversation_id is None:
                new = insert(conversations).values(user_id=user_id, created_at=now)
                conversation_id = connection.execute(new.returning(conversations.c.id)).scalar_one()
            else:
                owner = select(conversations.c.user_id).where(conversations.c.id == conversation_id)
                if connection.execute(owner).scalar_one_or_none() != user_id:
                    raise NotFound("This conversation is not there, or not yours. Start a new one.")
            here = pairs.c.conversation_id == conversation_id
            if turn is None:
                turn = (connection.execute(select(func.max(pairs.c.turn)).where(here)).scalar_one() or 0) + 1
            here &= pairs.c.turn == turn
            last = connection.execute(select(func.max(pairs.c.version)).where(here)).scalar_one() or 0
            connection.execute(update(pairs).where(here & pairs.c.shown).values(shown=False))
            pair_id = connection.execute(
                insert(pairs)
                .values(
                    conversation_id=conversation_id,
                    turn=turn,
                    version=last + 1,
                    shown=True,
                    continues=continues,
                    user_id=user_id,
                    case_id=case_id or None,
                    specialty=specialty,
                    question=question,
                    system_prompt=system_prompt,
                    sampling=asdict(sampling),
                    created_at=now,
                )
                .returning(pairs.c.id)
            ).scalar_one()
            shown = {"pair_id": pair_id, "left_arm": str(left), "blinded": blinded, "created_at": now}
            connection.execute(insert(presentations).values(shown))
            return _read(connection, [pair_id])[0]

    def save_answers(self, pair_id: int, said: Mapping[Arm, tuple[Answer, Provenance]]) -> None:
        """Keep what each of these arms has said so far, all in one transaction. A finished answer stays as it is,
        whatever comes after it."""
        now = utc_now()
        with self.database.write() as connection:
            for arm, (answer, provenance) in said.items():
                values = {
                    "thinking": answer.thinking,
                    "text": answer.text,
                    **columns_of(answer),
                    "provenance": provenance.as_dict(),
                    "updated_at": now,
                }
                here = (answers.c.pair_id == pair_id) & (answers.c.arm == str(arm))
                finish = connection.execute(select(answers.c.finish).where(here)).scalar_one_or_none()
                if finish is None:
                    new = {"pair_id": pair_id, "arm": str(arm), "created_at": now}
                    connection.execute(insert(answers).values(new | values))
                elif finish == Finish.CANCELLED:
                    connection.execute(update(answers).where(here).values(values))

    def get(self, pair_id: int) -> Pair:
        with self.database.read() as connection:
            found = _read(connection, [pair_id])
        if not found:
            raise NotFound("This pair of answers is not there. Pick another in Rate.")
        return found[0]

    def in_conversation(self, conversation_id: int) -> tuple[Pair, ...]:
        """The shown version of every turn, oldest first; none where there is no such conversation."""
        return self._ordered(pairs.c.conversation_id == conversation_id, pairs.c.shown)

    def with_versions(self, conversation_id: int) -> tuple[Pair, ...]:
        """Every version of every turn, oldest turn and version first."""
        return self._ordered(pairs.c.conversation_id == conversation_id)

    def _ordered(self, *conditions: ColumnElement[bool]) -> tuple[Pair, ...]:
        query = select(pairs.c.id).where(*conditions).order_by(pairs.c.turn, pairs.c.version)
        with self.database.read() as connection:
            return tuple(_read(connection, list(connection.scalars(query))))

    def earlier(self, conversation_id: int) -> tuple[Turn, ...]:
        """The shown version of every turn in order, with what both arms said."""
        return tuple(pair.as_turn() for pair in self.in_conversation(conversation_id))

    def show(self, pair_id: int) -> None:
        """From now on this version of its turn is the one that is shown."""
        with self.database.write() as connection:
            place = select(pairs.c.conversation_id, pairs.c.turn).where(pairs.c.id == pair_id)
            found = connection.execute(place).one_or_none()
            if found is None:
                raise NotFound("This pair of answers is not there. Open the conversation again.")
            siblings = (pairs.c.conversation_id == found.conversation_id) & (pairs.c.turn == found.turn)
            connection.execute(update(pairs).where(siblings & pairs.c.shown).values(shown=False))
            connection.execute(update(pairs).where(pairs.c.id == pair_id).values(shown=True))

    def rateable(self, user_id: int, rater_id: int | None) -> tuple[Pair, ...]:
        """The user's whole pairs that this rater has not rated, newest first; of nobody, all of them. Of a turn
        with several versions only the shown one waits."""
        return self._whole(pairs.c.user_id == user_id, pairs.c.id.not_in(_rated_by(rater_id)))

    def completed(self) -> tuple[Pair, ...]:
        """Every whole pair of everybody that is shown, newest first."""
        return self._whole()

    def _whole(self, *conditions: ColumnElement[bool]) -> tuple[Pair, ...]:
        done = select(answers.c.pair_id).where(answers.c.finish.in_([str(finish) for finish in WHOLE]))
        done = done.group_by(answers.c.pair_id).having(func.count() == len(ARMS))
        query = select(pairs.c.id).where(pairs.c.id.in_(done), pairs.c.shown, *conditions)
        with self.database.read() as connection:
            return tuple(_read(connection, list(connection.scalars(query.order_by(pairs.c.id.desc())))))

    def asked_by(self, user_id: int) -> tuple[tuple[str | None, str], ...]:
        """Case and question of everything that this login has asked."""
        return self._asked(pairs.c.user_id == user_id)

    def rated_by(self, rater_id: int) -> tuple[tuple[str | None, str], ...]:
        """Case and question of every live pair that this rater has rated."""
        return self._asked(pairs.c.id.in_(_rated_by(rater_id)))

    def _asked(self, condition: ColumnElement[bool]) -> tuple[tuple[str | None, str], ...]:
        query = select(pairs.c.case_id, pairs.c.question).where(condition).distinct()
        with self.database.read() as connection:
            return tuple((row.case_id, row.question) for row in connection.execute(query))

    def by_id(self, pair_ids: list[int]) -> dict[int, Pair]:
        """The pairs of these ids that are there."""
        with self.database.read() as connection:
            return {pair.id: pair for pair in _read(connection, pair_ids)}

    def reveal(self, pair_id: int) -> None:
        """Note that the sides have been shown; the first time stands."""
        once = (presentations.c.pair_id == pair_id) & presentations.c.revealed_at.is_(None)
        with self.database.write() as connection:
            connection.execute(update(presentations).where(once).values(revealed_at=utc_now()))


def _rated_by(rater_id: int | None) -> CompoundSelect:
    """Numbers of the live pairs that a rater has rated, in the older table or the newer one."""
    older = select(ratings.c.pair_id).where(ratings.c.rater_id == rater_id)
    newer = (
        select(showings.c.pair_id)
        .join(judgements, judgements.c.showing_id == showings.c.id)
        .where(showings.c.rater_id == rater_id, showings.c.pair_id.is_not(None))
    )
    return union(older, newer)


def _read(connection: Connection, pair_ids: list[int]) -> list[Pair]:
    """The pairs in the order of `pair_ids`, in portions below SQLite's limit of variables."""
    found: dict[int, Pair] = {}
    for start in range(0, len(pair_ids), 500):
        some = pair_ids[start : start + 500]
        said: dict[int, dict[Arm, StoredAnswer]] = {}
        for row in connection.execute(select(answers).where(answers.c.pair_id.in_(some))):
            said.setdefault(row.pair_id, {})[Arm(row.arm)] = _answer(row)
        side = presentations
        siblings = pairs.alias()
        same_turn = (siblings.c.conversation_id == pairs.c.conversation_id) & (siblings.c.turn == pairs.c.turn)
        versions = select(func.count()).select_from(siblings).where(same_turn).scalar_subquery()
        query = (
            select(
                pairs,
                versions.label("versions"),
                *(side.c.left_arm, side.c.blinded, side.c.revealed_at, side.c.id.label("presentation_id")),
            )
            .join(side, side.c.pair_id == pairs.c.id)
            .where(pairs.c.id.in_(some))
        )
        for row in connection.execute(query):
            found[row.id] = Pair(
                id=row.id,
                conversation_id=row.conversation_id,
                turn=row.turn,
                user_id=row.user_id,
                case_id=row.case_id,
                specialty=row.specialty,
                question=row.question,
                system_prompt=row.system_prompt,
                sampling=Sampling(**row.sampling),
                sides=Sides(Arm(row.left_arm)),
                blinded=row.blinded,
                revealed_at=row.revealed_at,
                created_at=row.created_at,
                answers=said.get(row.id, {}),
                presentation_id=row.presentation_id,
                version=row.version,
                versions=row.versions,
                shown=row.shown,
                continues=row.continues,
            )
    return [found[pair_id] for pair_id in pair_ids if pair_id in found]


def _answer(row: Row) -> StoredAnswer:
    return StoredAnswer(answer_of(row, row.thinking, row.text), Provenance.from_dict(row.provenance), row.id)
