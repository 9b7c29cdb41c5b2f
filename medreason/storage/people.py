"""Users, who log in, and raters, who judge. Exports know a rater by pseudonym only."""

import unicodedata
from dataclasses import asdict, dataclass

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from medreason.domain.checks import Checks
from medreason.domain.rater import RaterFacts
from medreason.domain.schedule import sealed
from medreason.domain.user import Role, User
from medreason.errors import MedReasonError
from medreason.storage.audit import record
from medreason.storage.database import Database, utc_now
from medreason.storage.study_tables import judgements
from medreason.storage.tables import rater_facts, raters, ratings, users

LONGEST_NAME = 64


@dataclass(frozen=True)
class Rater:
    """One person who rates. `pseudonym` is all that leaves the store."""

    id: int
    pseudonym: str


def name_key(name: str) -> str:
    """The same for one name in other case, spacing or Unicode form."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _checked(label: str, name: str) -> str:
    checks = Checks()
    checks.text(label, name, LONGEST_NAME)
    checks.done()
    return " ".join(name.split())


class People:
    def __init__(self, database: Database):
        self.database = database

    def add(self, name: str, role: Role) -> User:
        shown = _checked("user name", name)
        try:
            with self.database.write() as connection:
                row = insert(users).values(
                    name=shown, name_key=name_key(shown), role=str(role), created_at=utc_now()
                )
                return User(connection.execute(row.returning(users.c.id)).scalar_one(), shown, Role(role))
        except IntegrityError as fault:
            raise MedReasonError(f"There is a user named {shown} already. Choose another name.") from fault

    def find(self, name: str) -> User | None:
        query = select(users).where(users.c.name_key == name_key(name))
        with self.database.read() as connection:
            row = connection.execute(query).one_or_none()
        return User(row.id, row.name, Role(row.role)) if row else None

    def set_role(self, user: User, role: Role) -> User:
        with self.database.write() as connection:
            connection.execute(update(users).where(users.c.id == user.id).values(role=str(role)))
            record(connection, "command line", f"role set to {role}", f"user:{user.id}")
        return User(user.id, user.name, role)

    def all(self) -> tuple[User, ...]:
        with self.database.read() as connection:
            rows = connection.execute(select(users).order_by(users.c.id)).all()
        return tuple(User(row.id, row.name, Role(row.role)) for row in rows)

    def count(self) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(users)).scalar_one()

    def find_rater(self, user_id: int, name: str) -> Rater | None:
        """The person of that name under that login, if they have rated before."""
        mine = (raters.c.user_id == user_id) & (raters.c.name_key == name_key(name))
        with self.database.read() as connection:
            found = connection.execute(select(raters.c.id).where(mine)).scalar_one_or_none()
        return Rater(found, pseudonym(found)) if found is not None else None

    def rater(self, user_id: int, name: str) -> Rater:
        """The same, made at the first time."""
        shown = _checked("rater's name", name)
        found = self.find_rater(user_id, shown)
        if found is not None:
            return found
        try:
            with self.database.write() as connection:
                row = insert(raters).values(
                    user_id=user_id, name=shown, name_key=name_key(shown), created_at=utc_now()
                )
                made = connection.execute(row.returning(raters.c.id)).scalar_one()
                return Rater(made, pseudonym(made))
        except IntegrityError as fault:  # made by another thread between the two
            found = self.find_rater(user_id, shown)
            if found is None:
                raise MedReasonError("There is no such user, so nobody can rate as them.") from fault
            return found

    def tell(self, rater_id: int, facts: RaterFacts) -> None:
        """Keep what a rater says of themselves; the newest counts. Said again, it is not kept twice."""
        if self.facts().get(rater_id) == facts:
            return
        with self.database.write() as connection:
            row = {"profession": facts.profession, "specialty": facts.specialty, "years": facts.years}
            connection.execute(insert(rater_facts).values(rater_id=rater_id, created_at=utc_now(), **row))
            record(
                connection, pseudonym(rater_id), "profession told", f"rater:{rater_id}", sealed(asdict(facts))[1]
            )

    def facts(self) -> dict[int, RaterFacts]:
        """What every rater said of themselves last; those who told nothing yet are left out."""
        with self.database.read() as connection:
            rows = connection.execute(select(rater_facts).order_by(rater_facts.c.id)).all()
        return {row.rater_id: RaterFacts(row.profession, row.specialty, row.years) for row in rows}

    def last_rater_name(self, user_id: int) -> str:
        """Who rated last under that login, as they wrote their name; empty if nobody did."""
        mine = raters.c.user_id == user_id
        with self.database.read() as connection:
            for table in (judgements, ratings):  # newer ratings stand in the first
                query = select(raters.c.name).join(table, table.c.rater_id == raters.c.id).where(mine)
                name = connection.execute(query.order_by(table.c.id.desc()).limit(1)).scalar_one_or_none()
                if name:
                    return name
        return ""


def pseudonym(rater_id: int) -> str:
    return f"R{rater_id:02d}"
