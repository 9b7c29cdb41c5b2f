"""Pairs: one question, what both arms said to it, and where each arm stood on the page.

The drawn sides are stored with the pair, before anything can be shown. A finished answer never changes.
"""

from dataclasses import asdict, dataclass, field

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Turn
from medreason.domain.provenance import Provenance
from medreason.domain.rating import Sides
from medreason.domain.sampling import Sampling
from medreason.errors import NotFound
from medreason.storage.database import Database, utc_now
from medreason.storage.tables import answers, conversations, pairs, presentations, ratings

WHOLE = (Finish.STOP, Finish.LENGTH)


@dataclass(frozen=True)
class StoredAnswer:
    """An answer as it was kept, with proof of what produced it."""

    answer: Answer
    provenance: Provenance
    id: int = 0


@dataclass(frozen=True)
class Pair:
    """One turn of a conversation. An arm that has said nothing yet is not in `answers`."""

    id: int
    conversation_id: int
    turn: int
    user_id: int
    case_id: str | None
    specialty: str
    question: str
    system_prompt: str
    sampling: Sampling
    sides: Sides
    blinded: bool
    revealed_at: str | None
    created_at: str
    answers: dict[Arm, StoredAnswer] = field(default_factory=dict)
    presentation_id: int = 0

    @property
    def whole(self) -> bool:
        """Both arms came to an end by themselves or at the token budget: only such a pair can be rated.
        An answer that was stopped says less than its arm had to say."""
        return all(arm in self.answers and self.answers[arm].answer.finish in WHOLE for arm in ARMS)

    @property
    def case_key(self) -> str:
        """What counts as one case in every table: the case of the deck, else the conversation."""
        return self.case_id or f"conversation-{self.conversation_id}"


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
    ) -> Pair:
        """Store a question and its drawn sides; a new conversation where `conversation_id` is None."""
        now = utc_now()
        with self.database.write() as connection:
            if conversation_id is None:
                new = insert(conversations).values(user_id=user_id, created_at=now)
                conversation_id = connection.execute(new.returning(conversations.c.id)).scalar_one()
            else:
                owner = select(conversations.c.user_id).where(conversations.c.id == conversation_id)
                if connection.execute(owner).scalar_one_or_none() != user_id:
                    raise NotFound("This conversation is not there, or not yours. Start a new one.")
            last = select(func.max(pairs.c.turn)).where(pairs.c.conversation_id == conversation_id)
            pair_id = connection.execute(
                insert(pairs)
                .values(
                    conversation_id=conversation_id,
                    turn=(connection.execute(last).scalar_one() or 0) + 1,
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

    def save_answer(self, pair_id: int, arm: Arm, answer: Answer, provenance: Provenance) -> None:
        """Keep what an arm has said so far. A finished answer stays as it is, whatever comes after it."""
        now = utc_now()
        values = {
            "thinking": answer.thinking,
            "text": answer.text,
            "finish": str(answer.finish),
            "fault": answer.fault,
            "thought": answer.thought,
            "closed": answer.closed,
            **asdict(answer.counts),
            **asdict(answer.timings),
            "provenance": provenance.as_dict(),
            "updated_at": now,
        }
        here = (answers.c.pair_id == pair_id) & (answers.c.arm == str(arm))
        with self.database.write() as connection:
            finish = connection.execute(select(answers.c.finish).where(here)).scalar_one_or_none()
            if finish is None:
                connection.execute(insert(answers).values(pair_id=pair_id, arm=str(arm), created_at=now, **values))
            elif finish == Finish.CANCELLED:
                connection.execute(update(answers).where(here).values(values))

    def get(self, pair_id: int) -> Pair:
        with self.database.read() as connection:
            found = _read(connection, [pair_id])
        if not found:
            raise NotFound("This pair of answers is not there. Pick another in Rate.")
        return found[0]

    def in_conversation(self, conversation_id: int) -> tuple[Pair, ...]:
        """Every turn of a conversation, oldest first; none where there is no such conversation."""
        query = select(pairs.c.id).where(pairs.c.conversation_id == conversation_id).order_by(pairs.c.turn)
        with self.database.read() as connection:
            return tuple(_read(connection, list(connection.scalars(query))))

    def earlier(self, conversation_id: int) -> tuple[Turn, ...]:
        """Every turn of a conversation in order, with what both arms said."""
        return tuple(_turn(pair) for pair in self.in_conversation(conversation_id))

    def recent(self, user_id: int, limit: int = 20) -> tuple[Pair, ...]:
        """The user's pairs, newest first."""
        query = select(pairs.c.id).where(pairs.c.user_id == user_id).order_by(pairs.c.id.desc()).limit(limit)
        with self.database.read() as connection:
            return tuple(_read(connection, list(connection.scalars(query))))

    def rateable(self, user_id: int, rater_id: int | None) -> tuple[Pair, ...]:
        """The user's whole pairs that this rater has not rated, newest first; of nobody, all of them."""
        rated = select(ratings.c.pair_id).where(ratings.c.rater_id == rater_id)
        return self._whole(pairs.c.user_id == user_id, pairs.c.id.not_in(rated))

    def completed(self) -> tuple[Pair, ...]:
        """Every whole pair of everybody, newest first."""
        return self._whole()

    def _whole(self, *conditions: ColumnElement[bool]) -> tuple[Pair, ...]:
        done = select(answers.c.pair_id).where(answers.c.finish.in_([str(finish) for finish in WHOLE]))
        done = done.group_by(answers.c.pair_id).having(func.count() == len(ARMS))
        query = select(pairs.c.id).where(pairs.c.id.in_(done), *conditions)
        with self.database.read() as connection:
            return tuple(_read(connection, list(connection.scalars(query.order_by(pairs.c.id.desc())))))

    def by_id(self, pair_ids: list[int]) -> dict[int, Pair]:
        """The pairs of these ids that are there."""
        with self.database.read() as connection:
            return {pair.id: pair for pair in _read(connection, pair_ids)}

    def reveal(self, pair_id: int) -> None:
        """Note that the sides have been shown; the first time stands."""
        once = (presentations.c.pair_id == pair_id) & presentations.c.revealed_at.is_(None)
        with self.database.write() as connection:
            connection.execute(update(presentations).where(once).values(revealed_at=utc_now()))


def _read(connection: Connection, pair_ids: list[int]) -> list[Pair]:
    """The pairs in the order of `pair_ids`, in portions below SQLite's limit of variables."""
    found: dict[int, Pair] = {}
    for start in range(0, len(pair_ids), 500):
        some = pair_ids[start : start + 500]
        said: dict[int, dict[Arm, StoredAnswer]] = {}
        for row in connection.execute(select(answers).where(answers.c.pair_id.in_(some))):
            said.setdefault(row.pair_id, {})[Arm(row.arm)] = _answer(row)
        shown = presentations
        query = (
            select(pairs, shown.c.left_arm, shown.c.blinded, shown.c.revealed_at, shown.c.id.label("shown_id"))
            .join(shown, shown.c.pair_id == pairs.c.id)
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
                presentation_id=row.shown_id,
            )
    return [found[pair_id] for pair_id in pair_ids if pair_id in found]


def _answer(row: Row) -> StoredAnswer:
    answer = Answer(
        thinking=row.thinking,
        text=row.text,
        finish=Finish(row.finish),
        fault=row.fault,
        thought=row.thought,
        closed=row.closed,
        counts=Counts(row.prompt_tokens, row.thinking_tokens, row.answer_tokens),
        timings=Timings(row.first_token_s, row.thinking_s, row.total_s),
    )
    return StoredAnswer(answer, Provenance.from_dict(row.provenance), row.id)


def _turn(pair: Pair) -> Turn:
    turn = Turn(pair.question)
    for arm, stored in pair.answers.items():
        turn = turn.with_answer(arm, stored.answer)
    return turn
