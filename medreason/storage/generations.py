"""The answers of a study: what each arm said to each case, and the texts that people wrote for controls.

Written once and never changed. A failed answer may be asked for again: the attempts stand beside each other and
the last one counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, func, insert, select

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import Arm
from medreason.domain.provenance import Provenance
from medreason.domain.schedule import PLANTED, PRACTICE, place
from medreason.domain.span import text_sha256
from medreason.storage.answer_columns import answer_of, columns_of
from medreason.storage.database import Database, utc_now
from medreason.storage.study_tables import generations

MODEL = "model"


@dataclass(frozen=True)
class NewGeneration:
    """An answer to be stored. `arm` is None for what people wrote. `known_spans` are planted errors as plain
    values: target, start, end, quote, type, severity. `flags` are sentences for the lead."""

    case_id: str
    answer: Answer
    arm: Arm | None = None
    sample: int = 1
    origin: str = MODEL
    provenance: Provenance | None = None
    flags: tuple[str, ...] = ()
    known_spans: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True)
class Generation:
    """A stored answer."""

    id: int
    study_id: int
    case_id: str
    origin: str
    arm: Arm | None
    sample: int
    attempt: int
    answer: Answer
    thinking_sha256: str
    answer_sha256: str
    provenance: Provenance | None
    created_at: str
    flags: tuple[str, ...] = ()
    known_spans: tuple[dict[str, object], ...] = field(default=())

    @property
    def place(self) -> str:
        """Its name in a schedule."""
        return place(self.arm if self.arm else self.origin, self.sample)

    @property
    def usable(self) -> bool:
        """It came to an end by itself or at the token budget, so it can be rated."""
        return self.answer.finish in (Finish.STOP, Finish.LENGTH)


class Generations:
    def __init__(self, database: Database):
        self.database = database

    def add(self, study_id: int, new: Sequence[NewGeneration]) -> None:
        """Store answers, all or none. An attempt's number is counted on from what is there."""
        with self.database.write() as connection:
            for one in new:
                add(connection, study_id, one)

    def of(self, study_id: int) -> tuple[Generation, ...]:
        """The last attempt of every answer of a study, in the order of asking."""
        query = select(generations).where(generations.c.study_id == study_id).order_by(generations.c.id)
        last: dict[tuple[str, str, str, int], Generation] = {}
        with self.database.read() as connection:
            for row in connection.execute(query):
                last[row.case_id, row.origin, row.arm, row.sample] = _generation(row)
        return tuple(last.values())

    def by_id(self, ids: Sequence[int]) -> dict[int, Generation]:
        found: dict[int, Generation] = {}
        with self.database.read() as connection:
            for start in range(0, len(ids), 500):
                some = generations.c.id.in_(ids[start : start + 500])
                for row in connection.execute(select(generations).where(some)):
                    found[row.id] = _generation(row)
        return found


def add(connection: Connection, study_id: int, one: NewGeneration) -> int:
    """Store one answer in the caller's transaction and give its number."""
    arm = str(one.arm) if one.arm else ""
    same = (
        (generations.c.study_id == study_id)
        & (generations.c.case_id == one.case_id)
        & (generations.c.origin == one.origin)
        & (generations.c.arm == arm)
        & (generations.c.sample == one.sample)
    )
    attempt = connection.execute(select(func.count()).select_from(generations).where(same)).scalar_one() + 1
    answer = one.answer
    new = insert(generations).values(
        study_id=study_id,
        case_id=one.case_id,
        origin=one.origin,
        arm=arm,
        sample=one.sample,
        attempt=attempt,
        thinking=answer.thinking,
        thinking_sha256=text_sha256(answer.thinking),
        answer=answer.text,
        answer_sha256=text_sha256(answer.text),
        **columns_of(answer),
        provenance=one.provenance.as_dict() if one.provenance else None,
        flags=list(one.flags),
        known_spans=list(one.known_spans),
        created_at=utc_now(),
    )
    return connection.execute(new.returning(generations.c.id)).scalar_one()


def _generation(row: Row) -> Generation:
    return Generation(
        id=row.id,
        study_id=row.study_id,
        case_id=row.case_id,
        origin=row.origin,
        arm=Arm(row.arm) if row.arm else None,
        sample=row.sample,
        attempt=row.attempt,
        answer=answer_of(row, row.thinking, row.answer),
        thinking_sha256=row.thinking_sha256,
        answer_sha256=row.answer_sha256,
        provenance=Provenance.from_dict(row.provenance) if row.provenance else None,
        created_at=row.created_at,
        flags=tuple(row.flags),
        known_spans=tuple(row.known_spans),
    )


WRITTEN = (PLANTED, PRACTICE)
"""Origins of texts that no model said."""
