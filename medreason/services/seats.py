"""Who is rating: the person behind a login and a name, and what they have seen elsewhere.

On this computer several people may rate under one login by their names; somebody with a login of their own rates
under it alone. Knows no study.
"""

from dataclasses import dataclass

from medreason.domain.case import Case
from medreason.domain.rater import NOTHING_TOLD, RaterFacts
from medreason.domain.user import Role, User
from medreason.errors import NotAllowed
from medreason.storage.pairs import Pairs
from medreason.storage.people import People, Rater, name_key, pseudonym
from medreason.storage.studies import Seat


@dataclass(frozen=True)
class Seen:
    """Cases whose answers somebody has seen in Compare, by id and by text."""

    ids: frozenset[str]
    texts: frozenset[str]

    def has(self, case: Case) -> bool:
        return case.case_id in self.ids or case.text.strip() in self.texts


class Seats:
    def __init__(self, people: People, pairs: Pairs):
        self._people = people
        self._pairs = pairs

    def name(self, user: User, rater_name: str) -> str:
        """The name under which this login rates here. Raters are themselves; nobody rates as another login."""
        if user.role is Role.RATER:
            if rater_name.strip() and name_key(rater_name) != name_key(user.name):
                raise NotAllowed(f"You rate under your own name, {user.name}.")
            return user.name
        owner = self._people.find(rater_name)
        if owner is not None and owner.id != user.id:
            raise NotAllowed(f"{owner.name} has a login of their own and rates under it. Give another name.")
        return rater_name

    def find(self, user: User, rater_name: str) -> Rater | None:
        """The rater of that name at this login, if there is one."""
        return self._people.find_rater(user.id, self.name(user, rater_name))

    def make(self, user: User, rater_name: str) -> Rater:
        """The same, made at the first time."""
        return self._people.rater(user.id, self.name(user, rater_name))

    def facts(self, user: User, rater_name: str) -> RaterFacts:
        """What this rater has said of themselves."""
        rater = self.find(user, rater_name)
        return self._people.facts().get(rater.id, NOTHING_TOLD) if rater else NOTHING_TOLD

    def tell(self, user: User, rater_name: str, facts: RaterFacts) -> None:
        self._people.tell(self.make(user, rater_name).id, facts)

    def invited(self, lead: User, name: str) -> Rater:
        """The rater whom a lead names: at the login of that name where there is one, else at the lead's own."""
        owner = self._people.find(name)
        return self._people.rater(owner.id if owner else lead.id, name)

    def seen(self, user: User, rater: Rater, rater_name: str) -> Seen:
        """What this rater has seen in Compare: at a login of one's own all that was asked there, at a shared one
        what this person has rated, since then the sides were told."""
        own = user.role is Role.RATER or name_key(user.name) == name_key(rater_name)
        return self._seen(user.id, rater.id, own)

    def seen_by(self, seat: Seat) -> Seen:
        """The same of a seat."""
        owner = self._people.find(seat.name)
        return self._seen(seat.user_id, seat.rater_id, owner is not None and owner.id == seat.user_id)

    def by_id(self, rater_id: int) -> Rater:
        return Rater(rater_id, pseudonym(rater_id))

    def _seen(self, user_id: int, rater_id: int, own: bool) -> Seen:
        asked = self._pairs.asked_by(user_id) if own else self._pairs.rated_by(rater_id)
        return Seen(
            frozenset(case_id for case_id, _ in asked if case_id), frozenset(text.strip() for _, text in asked)
        )
