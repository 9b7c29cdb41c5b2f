"""Who the user is, and who may be added. `web` says which name asked; this says what that means."""

from medreason.domain.user import Role, User
from medreason.errors import MedReasonError, NotAllowed
from medreason.storage.people import People

LOCAL_NAME = "local"


class PeopleService:
    def __init__(self, people: People):
        self._people = people

    def current_user(self, username: str | None) -> User:
        """The user of that name. Without a name, or as “local”: this computer's own admin, made the first
        time; `web` lets such a request through on loopback only."""
        name = username or LOCAL_NAME
        found = self._people.find(name)
        if found is not None:
            return found
        if name != LOCAL_NAME:
            raise NotAllowed(f"There is no user named {name}. Ask an admin to add you.")
        try:
            return self._people.add(LOCAL_NAME, Role.ADMIN)
        except MedReasonError:  # two first requests at once: the other one made it
            found = self._people.find(LOCAL_NAME)
            if found is None:
                raise
            return found

    def add_user(self, name: str, role: Role) -> User:
        """Called from the command line, by whoever may start the program."""
        if name.strip().casefold() == LOCAL_NAME:
            raise MedReasonError(f"“{LOCAL_NAME}” is this computer's own admin. Choose another name.")
        return self._people.add(name, role)
