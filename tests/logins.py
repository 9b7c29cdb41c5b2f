"""Users who can log in, with hashes that are quick to make."""

from datetime import UTC, datetime, timedelta

from argon2 import PasswordHasher

from medreason.domain.user import Role, User
from medreason.services.logging_in import LoggingIn
from medreason.services.passwords import Passwords
from medreason.services.people import PeopleService
from medreason.storage.database import Database
from medreason.storage.logins import Logins
from medreason.storage.people import People

HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "three wet herons"


class Clock:
    """The time, put forward by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def goes_on(self, **by: float) -> None:
        self.now += timedelta(**by)


class Desk:
    """Users, their passwords and logins on one store."""

    def __init__(self, database: Database):
        self.clock, passwords = Clock(), Passwords(HASHER)
        self.logins = Logins(database)
        self.people = PeopleService(People(database), passwords)
        self.logging_in = LoggingIn(self.logins, passwords, self.clock)

    def adds(self, name: str, role: Role = Role.RATER) -> User:
        return self.people.add_user(name, role, PASSWORD)

    def logs_in(self, name: str, address: str = "10.0.0.1") -> str:
        """The token."""
        return self.logging_in.log_in(name, PASSWORD, address).token
