"""What the lead settles beside the raters' values and marks, which stay. Appended; the last counts.

Also where a typed text is taken out, since both are deeds of those who answer for a study."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import insert, select

from medreason.storage import texts
from medreason.storage.audit import record
from medreason.storage.database import Database, utc_now
from medreason.storage.study_tables import adjudications, settled_marks


@dataclass(frozen=True)
class Adjudicated:
    """One settled value of one answer on one item; None is "cannot be judged"."""

    id: int
    generation_id: int
    item: str
    value: int | None
    reason: str
    user_id: int
    created_at: str


class Verdict(StrEnum):
    """About a mark: it stands, it does not, or it says the same as another one."""

    YES = "yes"
    NO = "no"
    MERGED = "merged"


@dataclass(frozen=True)
class SettledMark:
    """`merged_into` is the number of the other mark."""

    verdict: Verdict
    merged_into: int | None = None


class Adjudications:
    def __init__(self, database: Database):
        self.database = database

    def add(
        self, study_id: int, generation_id: int, item: str, value: int | None, reason: str, user_id: int
    ) -> None:
        with self.database.write() as connection:
            kept = texts.keep(connection, reason)
            assert kept is not None, "an adjudication has a reason"
            connection.execute(
                insert(adjudications).values(
                    study_id=study_id,
                    generation_id=generation_id,
                    item=item,
                    value=value,
                    reason_id=kept.id,
                    user_id=user_id,
                    created_at=utc_now(),
                )
            )
            what = f"generation:{generation_id}/{item}={value}"
            record(connection, f"user:{user_id}", "adjudicated", what, reason=kept)

    def of(self, study_id: int) -> tuple[Adjudicated, ...]:
        """Every one in the order of adding."""
        query = select(adjudications).where(adjudications.c.study_id == study_id).order_by(adjudications.c.id)
        with self.database.read() as connection:
            rows = connection.execute(query).all()
            words = texts.read(connection, {row.reason_id for row in rows})
        return tuple(
            Adjudicated(
                row.id, row.generation_id, row.item, row.value, words[row.reason_id], row.user_id, row.created_at
            )
            for row in rows
        )

    def settle_mark(
        self, study_id: int, span_id: int, verdict: Verdict, merged_into: int | None, reason: str, user_id: int
    ) -> None:
        with self.database.write() as connection:
            kept = texts.keep(connection, reason)
            assert kept is not None, "what is settled has a reason"
            connection.execute(
                insert(settled_marks).values(
                    study_id=study_id,
                    span_id=span_id,
                    verdict=str(verdict),
                    merged_into=merged_into,
                    reason_id=kept.id,
                    user_id=user_id,
                    created_at=utc_now(),
                )
            )
            what = f"study:{study_id}/mark:{span_id}={verdict}{f':{merged_into}' if merged_into else ''}"
            record(connection, f"user:{user_id}", "mark settled", what, reason=kept)

    def marks_of(self, study_id: int) -> dict[int, SettledMark]:
        """What was settled last about each mark, by the mark's number; the others are left out."""
        query = select(settled_marks).where(settled_marks.c.study_id == study_id).order_by(settled_marks.c.id)
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return {row.span_id: SettledMark(Verdict(row.verdict), row.merged_into) for row in rows}

    def reasons(self, study_id: int) -> tuple[tuple[int, str], ...]:
        """Why things were settled: the number of each text, and the text."""
        found: list[int] = []
        with self.database.read() as connection:
            for table in (adjudications, settled_marks):
                query = select(table.c.reason_id).where(table.c.study_id == study_id).order_by(table.c.id)
                found += connection.scalars(query)
            words = texts.read(connection, {*found})
        return tuple((number, words[number]) for number in found)

    def take_out(self, text_id: int, reason: str, user_id: int) -> str:
        """Take a typed text out; its hash and the reason stay. Gives the hash."""
        with self.database.write() as connection:
            sha256 = texts.take_out(connection, text_id)
            kept = texts.keep(connection, reason)
            record(connection, f"user:{user_id}", "text taken out", f"text:{text_id}", sha256, kept)
        return sha256
