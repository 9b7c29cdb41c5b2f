"""The list of a user's conversations: when, what was asked first, and whether the sides are still hidden.

Reads no answer, so that a long list is quick.
"""

from dataclasses import dataclass

from sqlalchemy import func, select

from medreason.storage.database import Database
from medreason.storage.tables import pairs, presentations


@dataclass(frozen=True)
class Listed:
    """One conversation. `questions` and `case_ids` are those of every version of every turn; `blinded` while the
    sides of every turn are hidden."""

    conversation_id: int
    created_at: str
    first_question: str
    questions: tuple[str, ...]
    case_ids: frozenset[str]
    turns: int
    blinded: bool


class ConversationList:
    def __init__(self, database: Database):
        self.database = database

    def of_user(self, user_id: int, limit: int = 200) -> tuple[Listed, ...]:
        """Newest first, by the newest question in each."""
        newest = func.max(pairs.c.id)
        wanted = (
            select(pairs.c.conversation_id)
            .where(pairs.c.user_id == user_id)
            .group_by(pairs.c.conversation_id)
            .order_by(newest.desc())
            .limit(limit)
        )
        with self.database.read() as connection:
            order = list(connection.scalars(wanted))
            asked = (
                select(pairs, presentations.c.blinded, presentations.c.revealed_at)
                .join(presentations, presentations.c.pair_id == pairs.c.id)
                .where(pairs.c.conversation_id.in_(order))
                .order_by(pairs.c.id)
            )
            found: dict[int, list] = {}
            for row in connection.execute(asked):
                found.setdefault(row.conversation_id, []).append(row)
        return tuple(_listed(number, found[number]) for number in order)


def _listed(conversation_id: int, rows: list) -> Listed:
    first = next(row for row in rows if row.turn == 1 and row.shown)
    return Listed(
        conversation_id=conversation_id,
        created_at=rows[0].created_at,
        first_question=first.question,
        questions=tuple(row.question for row in rows),
        case_ids=frozenset(row.case_id for row in rows if row.case_id),
        turns=len({row.turn for row in rows}),
        blinded=all(row.blinded and row.revealed_at is None for row in rows),
    )
