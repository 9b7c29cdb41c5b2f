"""Passwords: what is asked of a new one, and how one is compared with its hash (argon2id). Stores nothing."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from medreason.errors import MedReasonError
from medreason.storage.people import name_key

SHORTEST, LONGEST = 12, 256
# Each comparison takes 64 MB for a moment.
AT_ONCE = 2


class Passwords:
    """Comparing takes the same time whether there is a hash to compare with or not."""

    def __init__(self, hasher: PasswordHasher | None = None):
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash("nobody has this password")
        self._places = threading.Semaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        return self._hasher.hash(_as_typed(password))

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether it is the password of this hash; never, after as long a time, where there is none."""
        with self._places:
            try:
                return self._hasher.verify(stored or self._nobodys, _as_typed(password)) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than those of now."""
        return self._hasher.check_needs_rehash(stored)


def require_good(password: str, name: str) -> None:
    """Raise unless it may be a password of this user."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise MedReasonError(
            f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}. A short sentence "
            "is easy to keep in mind."
        )
    if len(set(password)) < 5 or name_key(name) in name_key(password):
        raise MedReasonError("This password is easily guessed. Choose one that does not hold the user's name.")


def _as_typed(password: str) -> bytes:
    """The same bytes whichever way a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
