"""Who the user is, and who may be added. `web` says which name asked; this says what that means."""

import time

from medreason.domain.user import Role, User
from medreason.errors import MedReasonError, NotAllowed, NotFound
from medreason.services.passwords import Passwords, require_good
from medreason.storage.audit import Audit
from medreason.storage.logins import Logins, user_object
from medreason.storage.people import People

LOCAL_NAME = "local"
REFUSED = "refused"
SAID_AGAIN_S = 60.0


class PeopleService:
    """As long as nobody was ever given a password, this computer's own admin needs no login; from then on there
    is no such admin any more, whatever becomes of the users."""

    def __init__(self, people: People, passwords: Passwords | None = None):
        self._people = people
        self._logins = Logins(people.database)
        self._audit = Audit(people.database)
        self._passwords = passwords
        self._login_needed = False
        self._noted: dict[tuple[int, str], float] = {}

    @property
    def login_needed(self) -> bool:
        """Whether users log in here. Once true it stays so."""
        self._login_needed = self._login_needed or self._logins.any_credentials()
        return self._login_needed

    def current_user(self, username: str | None) -> User:
        """The user of that name. Without a name, or as “local”: this computer's own admin, made the first
        time; `web` lets such a request through on loopback only."""
        name = username or LOCAL_NAME
        if name == LOCAL_NAME:
            if self.login_needed:
                raise NotAllowed("You are not logged in. Log in, then try again; what you typed stays here.")
            return self.operator()
        found = self._people.find(name)
        if found is None:
            raise NotAllowed(f"There is no user named {name}. Ask an admin to add you.")
        return found

    def operator(self) -> User:
        """Whoever may run commands on this computer."""
        found = self._people.find(LOCAL_NAME)
        if found is not None:
            return found
        try:
            return self._people.add(LOCAL_NAME, Role.ADMIN)
        except MedReasonError:  # two first requests at once: the other one made it
            found = self._people.find(LOCAL_NAME)
            if found is None:
                raise
            return found

    def add_user(self, name: str, role: Role, password: str | None = None) -> User:
        """Called from the command line, by whoever may start the program, as all that follow. A user without a
        password cannot log in. A refused password leaves no user behind."""
        if name.strip().casefold() == LOCAL_NAME:
            raise MedReasonError(f"“{LOCAL_NAME}” is this computer's own admin. Choose another name.")
        if password is not None:
            require_good(password, name)
        added = self._people.add(name, role)
        if password is not None:
            self._logins.set_password(added, self._hash(password))
        return added

    def set_password(self, name: str, password: str) -> User:
        """Gives a user a new password and ends their logins."""
        user = self.named(name)
        require_good(password, user.name)
        self._logins.set_password(user, self._hash(password))
        return user

    def set_role(self, name: str, role: Role) -> User:
        """Counts from the next click on."""
        return self._people.set_role(self.named(name), role)

    def set_disabled(self, name: str, disabled: bool) -> User:
        """A disabled user cannot log in and is logged out at once; what they did stays."""
        user = self.named(name)
        if user.id not in self._logins.credentials():
            raise MedReasonError(f"{user.name} has no password, so they cannot log in anyway.")
        self._logins.set_disabled(user, disabled)
        return user

    def end_logins(self, name: str) -> int:
        """Log a user out everywhere; returns of how many places."""
        return self._logins.end_all(self.named(name))

    def named(self, name: str) -> User:
        """A user who may be given a password; raises `NotFound`."""
        found = self._people.find(name)
        if found is None or found.name == LOCAL_NAME:
            raise NotFound(f"There is no user named {name}. List them with: app.py user list.")
        return found

    def listed(self) -> list[tuple[User, str]]:
        """Every user with what can be said of their login."""
        known = self._logins.credentials()
        words = {None: "no password yet", True: "disabled", False: "can log in"}
        found = [one for one in self._people.all() if one.name != LOCAL_NAME]
        return [(one, words[known[one.id].disabled if one.id in known else None]) for one in found]

    def roles_in_use(self) -> set[Role]:
        """The roles of those who can log in."""
        return {one.user.role for one in self._logins.credentials().values() if not one.disabled}

    def note_refusal(self, user: User, what: str) -> None:
        """Put into the audit that a user asked for what is not theirs; the same once a minute at most, so that
        nobody fills the store with it."""
        now, key = time.monotonic(), (user.id, what[:200])
        self._noted = {one: at for one, at in self._noted.items() if now - at < SAID_AGAIN_S}
        mine = sum(1 for who, _ in self._noted if who == user.id)
        if key in self._noted or mine >= 100:
            return
        self._noted[key] = now
        self._audit.note(user_object(user), REFUSED, key[1])

    def _hash(self, password: str) -> str:
        return (self._passwords or Passwords()).hash(password)
