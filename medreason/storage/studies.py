"""Studies: plans, states, seats and consents. A draft's plan may change, each version kept; later none may."""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from medreason.domain.case import Case
from medreason.domain.study import StudyPlan, StudyState
from medreason.errors import MedReasonError, NotFound
from medreason.storage import texts
from medreason.storage.audit import record
from medreason.storage.database import Database, utc_now
from medreason.storage.people import name_key, pseudonym
from medreason.storage.plan_text import case_of, plan_of, written
from medreason.storage.study_tables import consents, seats, studies, study_cases
from medreason.storage.tables import raters


@dataclass(frozen=True)
class StoredStudy:
    """A study as it is kept. `secret` keys its draws and never leaves the services."""

    id: int
    name: str
    plan: StudyPlan
    state: StudyState
    secret: str
    created_at: str
    plan_sha256: str

    @property
    def object(self) -> str:
        """What the audit calls it."""
        return f"study:{self.name}"


@dataclass(frozen=True)
class Seat:
    """A rater of a study. `name` is for the lead and for the rater themself, never for an export."""

    rater_id: int
    user_id: int
    name: str
    left: bool

    @property
    def pseudonym(self) -> str:
        return pseudonym(self.rater_id)


class Studies:
    def __init__(self, database: Database):
        self.database = database

    def create(self, plan: StudyPlan, secret: str, user_id: int, actor: str) -> StoredStudy:
        """A new draft; refused where the name is taken."""
        text, sha256 = written(plan)
        try:
            with self.database.write() as connection:
                new = insert(studies).values(
                    name=plan.name,
                    name_key=name_key(plan.name),
                    state=str(StudyState.DRAFT),
                    secret=secret,
                    plan=text,
                    plan_sha256=sha256,
                    plan_no=1,
                    created_by=user_id,
                    created_at=utc_now(),
                )
                study_id = connection.execute(new.returning(studies.c.id)).scalar_one()
                _keep_cases(connection, study_id, 1, plan)
                record(connection, actor, "study made", f"study:{plan.name}", sha256)
        except IntegrityError as fault:
            raise MedReasonError(f"There is already a study named {plan.name}. Choose another name.") from fault
        return self.get(plan.name)

    def change(self, study: StoredStudy, plan: StudyPlan, actor: str) -> StoredStudy:
        """Another version of a draft's plan; its name stays."""
        plan = replace(plan, name=study.name)
        text, sha256 = written(plan)
        with self.database.write() as connection:
            _lock(connection, study)
            row = connection.execute(select(studies).where(studies.c.id == study.id)).one()
            if row.state != StudyState.DRAFT:
                raise MedReasonError(
                    f"The study {study.name} has begun, so its plan stays as it is. Make another study."
                )
            if row.plan_sha256 != sha256:
                values = {"plan": text, "plan_sha256": sha256, "plan_no": row.plan_no + 1}
                connection.execute(update(studies).where(studies.c.id == study.id).values(values))
                _keep_cases(connection, study.id, row.plan_no + 1, plan)
                record(connection, actor, "plan changed", study.object, sha256)
        return self.get(study.name)

    def get(self, name: str | None) -> StoredStudy:
        """Raises `NotFound`, also for no name: a page on which no study is chosen sends none."""
        if not name:
            raise NotFound("Choose a study first.")
        return self._one(studies.c.name_key == name_key(name), name)

    def by_id(self, study_id: int) -> StoredStudy:
        return self._one(studies.c.id == study_id, str(study_id))

    def all(self) -> tuple[StoredStudy, ...]:
        """Every study, newest first."""
        with self.database.read() as connection:
            rows = connection.execute(select(studies).order_by(studies.c.id.desc())).all()
            return tuple(_study(connection, row) for row in rows)

    def _one(self, condition: object, name: str) -> StoredStudy:
        with self.database.read() as connection:
            row = connection.execute(select(studies).where(condition)).one_or_none()  # type: ignore[arg-type]
            if row is None:
                raise NotFound(f"There is no study named {name}. Look at the list of studies.")
            return _study(connection, row)

    def text_ids(self, study: StoredStudy) -> tuple[tuple[int, Case], ...]:
        """The cases of the plan in force with the numbers of their texts."""
        cases = {case.case_id: case for case in study.plan.cases}
        newest = select(studies.c.plan_no).where(studies.c.id == study.id).scalar_subquery()
        here = (study_cases.c.study_id == study.id) & (study_cases.c.plan_no == newest)
        query = select(study_cases.c.text_id, study_cases.c.case_id).where(here).order_by(study_cases.c.number)
        with self.database.read() as connection:
            return tuple((row.text_id, cases[row.case_id]) for row in connection.execute(query))

    def set_state(self, study: StoredStudy, state: StudyState, actor: str, action: str, reason: str = "") -> None:
        """Go on to a later state, recorded."""
        with self.database.write() as connection:
            set_state(connection, study, state)
            record(connection, actor, action, study.object, reason=texts.keep(connection, reason))

    def seat(self, study: StoredStudy, rater_id: int, actor: str) -> None:
        """Give a rater a seat, or give it back to one who had left. Nothing happens where they sit."""
        mine = (seats.c.study_id == study.id) & (seats.c.rater_id == rater_id)
        with self.database.write() as connection:
            _lock(connection, study)
            row = connection.execute(select(seats).where(mine)).one_or_none()
            if row is not None and row.left_at is None:
                return
            if row is None:
                connection.execute(
                    insert(seats).values(study_id=study.id, rater_id=rater_id, created_at=utc_now())
                )
            else:
                connection.execute(update(seats).where(mine).values(left_at=None))
            record(connection, actor, f"rater {pseudonym(rater_id)} joined", study.object)

    def unseat(self, study: StoredStudy, rater_id: int, actor: str, reason: str = "") -> None:
        """Take a rater's seat; what they rated stays."""
        mine = (seats.c.study_id == study.id) & (seats.c.rater_id == rater_id) & seats.c.left_at.is_(None)
        with self.database.write() as connection:
            if connection.execute(update(seats).where(mine).values(left_at=utc_now())).rowcount:
                kept = texts.keep(connection, reason)
                record(connection, actor, f"rater {pseudonym(rater_id)} left", study.object, reason=kept)

    def seats(self, study_id: int) -> tuple[Seat, ...]:
        """Everybody who has or had a seat, in the order of joining."""
        query = (
            select(seats.c.rater_id, seats.c.left_at, raters.c.name, raters.c.user_id)
            .join(raters, raters.c.id == seats.c.rater_id)
            .where(seats.c.study_id == study_id)
            .order_by(seats.c.id)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        return tuple(Seat(row.rater_id, row.user_id, row.name, row.left_at is not None) for row in rows)

    def seats_of(self, rater_id: int) -> tuple[int, ...]:
        """Numbers of the studies in which this rater sits."""
        query = select(seats.c.study_id).where(seats.c.rater_id == rater_id, seats.c.left_at.is_(None))
        with self.database.read() as connection:
            return tuple(connection.scalars(query.order_by(seats.c.study_id)))

    def consent(self, study: StoredStudy, rater_id: int, text_sha256: str) -> None:
        """Keep that a rater accepted a text; the first time stands."""
        values = {"study_id": study.id, "rater_id": rater_id, "text_sha256": text_sha256}
        with self.database.write() as connection:
            _lock(connection, study)
            here = [getattr(consents.c, name) == value for name, value in values.items()]
            if connection.execute(select(consents.c.id).where(*here)).first() is None:
                connection.execute(insert(consents).values(accepted_at=utc_now(), **values))
                record(connection, pseudonym(rater_id), "consent given", study.object, text_sha256)

    def consented(self, study_id: int, rater_id: int, text_sha256: str) -> bool:
        here = (consents.c.study_id == study_id) & (consents.c.rater_id == rater_id)
        query = select(consents.c.id).where(here, consents.c.text_sha256 == text_sha256)
        with self.database.read() as connection:
            return connection.execute(query).first() is not None


def set_state(connection: Connection, study: StoredStudy, state: StudyState) -> None:
    """The state alone, in the caller's transaction; refused where another call went on before."""
    here = (studies.c.id == study.id) & (studies.c.state == str(study.state))
    if not connection.execute(update(studies).where(here).values(state=str(state))).rowcount:
        raise MedReasonError(f"The study {study.name} has changed meanwhile. Look at it again.")


def _lock(connection: Connection, study: StoredStudy) -> None:
    """PostgreSQL: one change of a study at a time. SQLite has one writer anyway."""
    connection.execute(select(studies.c.id).where(studies.c.id == study.id).with_for_update())


def _keep_cases(connection: Connection, study_id: int, plan_no: int, plan: StudyPlan) -> None:
    for number, case in enumerate(plan.cases, 1):
        kept = texts.keep(connection, case.text)
        connection.execute(
            insert(study_cases).values(
                study_id=study_id,
                plan_no=plan_no,
                number=number,
                case_id=case.case_id,
                kind=str(case.kind),
                specialty=case.specialty,
                text_id=kept.id if kept else 0,
                reference_answer=case.reference_answer,
                must_contain=list(case.must_contain),
                source=case.source,
            )
        )


def _study(connection: Connection, row: Row) -> StoredStudy:
    here = (study_cases.c.study_id == row.id) & (study_cases.c.plan_no == row.plan_no)
    kept = connection.execute(select(study_cases).where(here).order_by(study_cases.c.number)).all()
    words = texts.read(connection, {one.text_id for one in kept})
    plan = plan_of(row.plan, tuple(case_of(one, words[one.text_id]) for one in kept))
    return StoredStudy(row.id, row.name, plan, StudyState(row.state), row.secret, row.created_at, row.plan_sha256)
