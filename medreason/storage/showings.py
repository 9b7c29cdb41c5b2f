"""Schedules, sealed when drawn, and the showings they make: one pair shown to one rater, sides fixed for good.

A showing of a live pair stands in the same table, so that both are judged alike; its sides are the pair's own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, insert, select
from sqlalchemy.exc import IntegrityError

from medreason.domain.items import Phase
from medreason.domain.schedule import Slot, sealed
from medreason.domain.study import ShowingKind, StudyState
from medreason.errors import MedReasonError
from medreason.storage.audit import record
from medreason.storage.database import Database, utc_now
from medreason.storage.studies import StoredStudy, set_state
from medreason.storage.study_tables import openings, schedules, showings, studies
from medreason.storage.tables import raters


@dataclass(frozen=True)
class Showing:
    """One pair as it is shown to one rater. A study's has two generations, a live one a `pair_id`."""

    id: int
    study_id: int | None
    pair_id: int | None
    rater_id: int
    position: int
    kind: ShowingKind
    case_id: str
    sample: int
    left: int | None
    right: int | None
    repeat_of: int | None
    schedule_id: int | None


@dataclass(frozen=True)
class StoredSchedule:
    """A drawn schedule (number 0) or an amendment. `body` is the JSON that `sha256` seals."""

    number: int
    body: str
    sha256: str
    created_at: str

    def values(self) -> dict:
        return json.loads(self.body)


class Showings:
    def __init__(self, database: Database):
        self.database = database

    def seal(
        self,
        study: StoredStudy,
        body: Mapping[str, object],
        slots: Sequence[Slot],
        raters: Mapping[str, int],
        places: Mapping[tuple[str, str], int],
        actor: str,
        action: str,
        opens: bool = False,
    ) -> str:
        """Keep a schedule or amendment with its showings, and open the study where `opens`; all or nothing.

        `raters` gives the number of each rater of the slots, `places` that of the answer by (case, place). The
        body is sealed with the number and the hash of the one before it. Gives its hash.
        """
        with self._sealing(study) as connection:
            earlier = _schedules(connection, study.id)
            chained = {**body, "number": len(earlier), "previous": earlier[-1].sha256 if earlier else ""}
            text, sha256 = sealed(chained)
            new = insert(schedules).values(
                study_id=study.id, number=len(earlier), body=text, sha256=sha256, created_at=utc_now()
            )
            schedule_id = connection.execute(new.returning(schedules.c.id)).scalar_one()
            _keep_slots(connection, study.id, schedule_id, slots, raters, places)
            if opens:
                set_state(connection, study, StudyState.OPEN)
            record(connection, actor, action, study.object, sha256)
        return sha256

    @contextmanager
    def _sealing(self, study: StoredStudy) -> Iterator[Connection]:
        """One sealing at a time; a second of the same is refused in words."""
        try:
            with self.database.write() as connection:
                connection.execute(select(studies.c.id).where(studies.c.id == study.id).with_for_update())
                yield connection
        except IntegrityError as fault:
            raise MedReasonError(f"The study {study.name} has changed meanwhile. Look at it again.") from fault

    def schedules(self, study_id: int) -> tuple[StoredSchedule, ...]:
        with self.database.read() as connection:
            return _schedules(connection, study_id)

    def find(self, showing_id: int) -> Showing | None:
        found = self._read(showings.c.id == showing_id)
        return found[0] if found else None

    def of_rater(self, study_id: int, rater_id: int) -> tuple[Showing, ...]:
        """A rater's showings in their order."""
        return self._read(showings.c.study_id == study_id, showings.c.rater_id == rater_id)

    def of_study(self, study_id: int) -> tuple[Showing, ...]:
        """Every showing, rater by rater in the order of showing."""
        return self._read(showings.c.study_id == study_id)

    def live(self) -> tuple[Showing, ...]:
        """Every showing of a live pair."""
        return self._read(showings.c.pair_id.is_not(None))

    def of_pair(self, pair_id: int, rater_id: int, case_id: str) -> Showing:
        """The showing of a live pair to a rater, made at the first time."""
        mine = (showings.c.pair_id == pair_id) & (showings.c.rater_id == rater_id)
        with self.database.write() as connection:
            connection.execute(select(raters.c.id).where(raters.c.id == rater_id).with_for_update())
            row = connection.execute(select(showings).where(mine)).one_or_none()
            if row is None:
                new = insert(showings).values(
                    pair_id=pair_id,
                    rater_id=rater_id,
                    position=0,
                    kind=str(ShowingKind.STUDY),
                    case_id=case_id,
                    sample=1,
                    created_at=utc_now(),
                )
                connection.execute(new)
                row = connection.execute(select(showings).where(mine)).one()
        return _showing(row)

    def note_opened(self, showing_id: int, phase: Phase) -> None:
        """Keep when a phase was shown first."""
        values = {"showing_id": showing_id, "phase": str(phase)}
        here = (openings.c.showing_id == showing_id) & (openings.c.phase == str(phase))
        query = select(openings.c.id).where(here)
        with self.database.read() as connection:
            if connection.execute(query).first() is not None:
                return
        with self.database.write() as connection:
            lock_showing(connection, showing_id)
            if connection.execute(query).first() is None:
                connection.execute(insert(openings).values(opened_at=utc_now(), **values))

    def opened(self, showing_ids: Sequence[int]) -> dict[tuple[int, Phase], str]:
        """When each phase was shown first."""
        found: dict[tuple[int, Phase], str] = {}
        with self.database.read() as connection:
            for start in range(0, len(showing_ids), 500):
                some = openings.c.showing_id.in_(showing_ids[start : start + 500])
                for row in connection.execute(select(openings).where(some)):
                    found[row.showing_id, Phase(row.phase)] = row.opened_at
        return found

    def _read(self, *conditions: ColumnElement[bool]) -> tuple[Showing, ...]:
        query = (
            select(showings).where(*conditions).order_by(showings.c.rater_id, showings.c.position, showings.c.id)
        )
        with self.database.read() as connection:
            return tuple(_showing(row) for row in connection.execute(query))


def lock_showing(connection: Connection, showing_id: int) -> None:
    """PostgreSQL: one act about a showing at a time. SQLite has one writer anyway."""
    connection.execute(select(showings.c.id).where(showings.c.id == showing_id).with_for_update())


def _keep_slots(
    connection: Connection,
    study_id: int,
    schedule_id: int,
    slots: Sequence[Slot],
    raters: Mapping[str, int],
    places: Mapping[tuple[str, str], int],
) -> None:
    numbers: dict[tuple[str, int], int] = {}
    for slot in slots:
        new = insert(showings).values(
            study_id=study_id,
            rater_id=raters[slot.rater],
            schedule_id=schedule_id,
            position=slot.position,
            kind=str(slot.kind),
            case_id=slot.case_id,
            sample=slot.sample,
            left_generation=places[slot.case_id, slot.left],
            right_generation=places[slot.case_id, slot.right],
            repeat_of=numbers[slot.rater, slot.repeat_of] if slot.repeat_of else None,
            created_at=utc_now(),
        )
        numbers[slot.rater, slot.position] = connection.execute(new.returning(showings.c.id)).scalar_one()


def _schedules(connection: Connection, study_id: int) -> tuple[StoredSchedule, ...]:
    query = select(schedules).where(schedules.c.study_id == study_id).order_by(schedules.c.number)
    rows = connection.execute(query)
    return tuple(StoredSchedule(row.number, row.body, row.sha256, row.created_at) for row in rows)


def _showing(row: Row) -> Showing:
    return Showing(
        id=row.id,
        study_id=row.study_id,
        pair_id=row.pair_id,
        rater_id=row.rater_id,
        position=row.position,
        kind=ShowingKind(row.kind),
        case_id=row.case_id,
        sample=row.sample,
        left=row.left_generation,
        right=row.right_generation,
        repeat_of=row.repeat_of,
        schedule_id=row.schedule_id,
    )
