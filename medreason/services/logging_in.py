"""Logging in and out: who a token belongs to, how long it holds, and how often a password may be guessed.

A login ends when it was not used for a while, after a day's work at the latest, and at once where it was ended.
Knows no request and no cookie.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.passwords import LONGEST, Passwords
from medreason.storage.logins import Limits, Login, Logins

IDLE = timedelta(hours=2)
LONGEST_LOGIN = timedelta(hours=12)
NOTED_EVERY = timedelta(minutes=1)
LOOKED_BACK = timedelta(minutes=15)
KEPT = timedelta(days=90)
LIMITS = Limits(of_both=10, of_address=40, of_name=100)
LONGEST_NAME = 200

WRONG = "This name and password do not belong together. Try again, or ask an admin for a new password."


class WrongLogin(MedReasonError):
    """The same words whatever was wrong."""


class TooManyTries(MedReasonError):
    """Too many passwords were tried; `wait_s` is how long to wait."""

    def __init__(self, wait_s: int):
        minutes = -(-wait_s // 60)
        wait = "1 minute" if minutes == 1 else f"{minutes} minutes"
        super().__init__(f"Too many wrong passwords were tried. Wait {wait}, then try again.")
        self.wait_s = wait_s


@dataclass(frozen=True)
class LoggedIn:
    """`token` is for the browser alone. `failed_before`: tries under this name that failed since one was right."""

    user: User
    token: str
    failed_before: int


def _now() -> datetime:
    return datetime.now(UTC)


def _stored(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read(at: str) -> datetime:
    return datetime.fromisoformat(at)


class LoggingIn:
    def __init__(self, logins: Logins, passwords: Passwords | None = None, now: Callable[[], datetime] = _now):
        self._logins = logins
        self._made = passwords
        self._now = now

    def log_in(self, name: str, password: str, address: str) -> LoggedIn:
        """Raises `WrongLogin` or `TooManyTries`; neither tells whether there is such a user."""
        name, now = name.strip()[:LONGEST_NAME], self._now()
        tried = self._logins.try_once(name, address, _stored(now), _stored(now - LOOKED_BACK), LIMITS)
        if isinstance(tried, str):
            raise TooManyTries(max(1, int((_read(tried) + LOOKED_BACK - now).total_seconds())))
        known = self._logins.credential(name) if name else None
        right = self._passwords.matches(password[:LONGEST], known.password_hash if known else None)
        if known is None or not right or known.disabled or len(password) > LONGEST:
            raise WrongLogin(WRONG)
        if self._passwords.is_outdated(known.password_hash):
            self._logins.rehash(known.user, self._passwords.hash(password))
        failed = self._logins.succeeded(tried, name, address, _stored(now))
        self._logins.clear(_stored(now - KEPT))
        token = secrets.token_urlsafe(32)
        self._logins.begin(known.user, token, _stored(now), _stored(now + LONGEST_LOGIN))
        return LoggedIn(known.user, token, failed)

    def who(self, token: str | None) -> User | None:
        """Whose login this is, or None where it is none or has come to its end."""
        found = self._logins.find(token) if token else None
        now = self._now()
        if found is None or self._is_over(found, now):
            return None
        if now - _read(found.used_at) > NOTED_EVERY:
            self._logins.used(found, _stored(now))
        return found.user

    def log_out(self, token: str | None) -> None:
        if token:
            self._logins.end(token)

    def running(self, user: User) -> list[Login]:
        """The user's logins of now, oldest first."""
        now = self._now()
        return [one for one in self._logins.running(user, _stored(now)) if not self._is_over(one, now)]

    @staticmethod
    def _is_over(login: Login, now: datetime) -> bool:
        return now >= _read(login.ends_at) or now - _read(login.used_at) > IDLE

    @property
    def _passwords(self) -> Passwords:
        """Made at the first login, since making it takes a moment."""
        if self._made is None:
            self._made = Passwords()
        return self._made
