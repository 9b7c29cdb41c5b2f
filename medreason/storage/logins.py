"""Keeps password hashes, logins and failed tries. It makes no hash of a password and decides nothing: times,
limits and who may log in are the service's.
"""

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from medreason.domain.user import Role, User
from medreason.storage.audit import record
from medreason.storage.database import Database, utc_now
from medreason.storage.login_tables import credentials, login_tries, logins
from medreason.storage.people import name_key
from medreason.storage.tables import users

COMMAND_LINE = "command line"
CREDENTIAL = select(users, credentials.c.password_hash, credentials.c.disabled_at).join(credentials)


@dataclass(frozen=True)
class Credential:
    """What a login of this user is checked against."""

    user: User
    password_hash: str
    disabled: bool


@dataclass(frozen=True)
class Login:
    """One login as it is stored; `token_sha256` is all that is kept of what the browser holds."""

    id: int
    user: User
    created_at: str
    used_at: str
    ends_at: str


@dataclass(frozen=True)
class Limits:
    """The most failed tries within the time looked back on: of one name from one address, from one address under
    any name, of one name from anywhere."""

    of_both: int
    of_address: int
    of_name: int


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def user_object(user: User) -> str:
    """The user's name in the audit."""
    return f"user:{user.id}"


class Logins:
    def __init__(self, database: Database):
        self.database = database

    def any_credentials(self) -> bool:
        """Whether anybody was ever given a password, be they disabled since or not."""
        with self.database.read() as connection:
            return connection.execute(select(credentials.c.id).limit(1)).first() is not None

    def usable(self) -> int:
        """How many users can log in."""
        able = select(func.count()).select_from(credentials).where(credentials.c.disabled_at.is_(None))
        with self.database.read() as connection:
            return connection.execute(able).scalar_one()

    def credential(self, name: str) -> Credential | None:
        with self.database.read() as connection:
            row = connection.execute(CREDENTIAL.where(users.c.name_key == name_key(name))).one_or_none()
        return _credential(row) if row is not None else None

    def credentials(self) -> dict[int, Credential]:
        """Of every user who has a password, by the user's id."""
        with self.database.read() as connection:
            return {row.id: _credential(row) for row in connection.execute(CREDENTIAL)}

    def set_password(self, user: User, password_hash: str) -> None:
        """The user's only password from now on; every login of theirs ends."""
        mine = credentials.c.user_id == user.id
        with self.database.write() as connection:
            changed = {"password_hash": password_hash, "changed_at": utc_now()}
            if not connection.execute(update(credentials).where(mine).values(changed)).rowcount:
                connection.execute(insert(credentials).values(user_id=user.id, **changed))
            _end(connection, logins.c.user_id == user.id)
            record(connection, COMMAND_LINE, "password set", user_object(user))

    def rehash(self, user: User, password_hash: str) -> None:
        """The same password under newer parameters; logins go on."""
        with self.database.write() as connection:
            mine = credentials.c.user_id == user.id
            connection.execute(update(credentials).where(mine).values(password_hash=password_hash))

    def set_disabled(self, user: User, disabled: bool) -> None:
        """Whether the user may log in; a disabled user's logins end."""
        mine = credentials.c.user_id == user.id
        with self.database.write() as connection:
            at = utc_now() if disabled else None
            connection.execute(update(credentials).where(mine).values(disabled_at=at))
            if disabled:
                _end(connection, logins.c.user_id == user.id)
            record(connection, COMMAND_LINE, "disabled" if disabled else "enabled", user_object(user))

    def begin(self, user: User, token: str, at: str, ends_at: str) -> None:
        with self.database.write() as connection:
            row = {"user_id": user.id, "token_sha256": sha256(token)}
            connection.execute(insert(logins).values(**row, created_at=at, used_at=at, ends_at=ends_at))

    def find(self, token: str) -> Login | None:
        """The login of this token, unless it was ended or its user disabled; whether its time is over is for the
        caller to say."""
        query = (
            select(logins, users.c.name, users.c.role)
            .join(users, users.c.id == logins.c.user_id)
            .join(credentials, credentials.c.user_id == users.c.id)
            .where(logins.c.token_sha256 == sha256(token))
            .where(logins.c.ended_at.is_(None), credentials.c.disabled_at.is_(None))
        )
        with self.database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        return Login(row.id, User(row.user_id, row.name, Role(row.role)), row.created_at, row.used_at, row.ends_at)

    def used(self, login: Login, at: str) -> None:
        with self.database.write() as connection:
            connection.execute(update(logins).where(logins.c.id == login.id).values(used_at=at))

    def end(self, token: str) -> None:
        with self.database.write() as connection:
            _end(connection, logins.c.token_sha256 == sha256(token))

    def end_all(self, user: User) -> int:
        """End every login of a user; returns how many there were."""
        with self.database.write() as connection:
            ended = _end(connection, logins.c.user_id == user.id)
            record(connection, COMMAND_LINE, "logins ended", user_object(user))
        return ended

    def running(self, user: User, at: str) -> list[Login]:
        """The user's logins that have not come to their end."""
        query = select(logins).where(
            logins.c.user_id == user.id, logins.c.ended_at.is_(None), logins.c.ends_at > at
        )
        with self.database.read() as connection:
            rows = connection.execute(query.order_by(logins.c.id)).all()
        return [Login(row.id, user, row.created_at, row.used_at, row.ends_at) for row in rows]

    def try_once(self, name: str, address: str, at: str, since: str, limits: Limits) -> int | str:
        """Count a try before its password is looked at, in one transaction, so that a thousand at once count too.
        Returns its number, or, where there were too many since `since`, the time of the oldest of them."""
        name_hash = sha256(name_key(name))
        by_name, by_address = login_tries.c.name_sha256 == name_hash, login_tries.c.address == address
        with self.database.write() as connection:
            for whose, most in (
                (by_name & by_address, limits.of_both),
                (by_address, limits.of_address),
                (by_name, limits.of_name),
            ):
                query = select(login_tries.c.at).where(whose, login_tries.c.at > since)
                newest = connection.execute(query.order_by(login_tries.c.at.desc()).limit(most)).scalars().all()
                if len(newest) == most:
                    return newest[-1]
            row = insert(login_tries).values(name_sha256=name_hash, address=address, at=at)
            return connection.execute(row.returning(login_tries.c.id)).scalar_one()

    def succeeded(self, number: int, name: str, address: str, at: str) -> int:
        """A try was right: it and those of this person at this address count no more. Returns how many others have
        failed under this name since somebody was last told of it."""
        by_name = login_tries.c.name_sha256 == sha256(name_key(name))
        with self.database.write() as connection:
            untold = select(func.count()).select_from(login_tries)
            others = (login_tries.c.id != number) & login_tries.c.told_at.is_(None)
            failed = connection.execute(untold.where(by_name, others)).scalar_one()
            connection.execute(delete(login_tries).where(by_name, login_tries.c.address == address))
            connection.execute(update(login_tries).where(by_name).values(told_at=at))
        return failed

    def clear(self, before: str) -> None:
        """Forget tries and ended logins that are older than this."""
        with self.database.write() as connection:
            connection.execute(delete(login_tries).where(login_tries.c.at < before))
            connection.execute(delete(logins).where(logins.c.ends_at < before))


def _credential(row: Row) -> Credential:
    return Credential(User(row.id, row.name, Role(row.role)), row.password_hash, row.disabled_at is not None)


def _end(connection: Connection, whose: object) -> int:
    ended = update(logins).where(whose, logins.c.ended_at.is_(None))  # type: ignore[arg-type]
    return connection.execute(ended.values(ended_at=utc_now())).rowcount
