"""Who is asking, and what their role lets them do (the table of design.md, "Who may do what")."""

from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.checks import Checks
from medreason.errors import NotAllowed


class Role(StrEnum):
    ADMIN = "admin"
    ENGINEER = "engineer"
    LEAD = "lead"
    RATER = "rater"


class Action(StrEnum):
    TRAIN = "train"
    COMPARE = "compare"
    RATE = "rate"
    RESULTS = "see the results"
    STUDIES = "run studies"
    MANAGE_USERS = "manage users"


ALLOWED: dict[Role, frozenset[Action]] = {
    Role.ADMIN: frozenset(Action),
    Role.ENGINEER: frozenset({Action.TRAIN, Action.COMPARE, Action.RESULTS}),
    Role.LEAD: frozenset({Action.COMPARE, Action.RESULTS, Action.RATE, Action.STUDIES}),
    Role.RATER: frozenset({Action.RATE, Action.COMPARE}),
}


@dataclass(frozen=True)
class User:
    """A person known to the store. `id` is the store's; `name` is what they log in with."""

    id: int
    name: str
    role: Role

    def __post_init__(self) -> None:
        checks = Checks()
        checks.text("user name", self.name, longest=64)
        checks.choice("role", self.role, list(Role))
        checks.done()

    def may(self, action: Action) -> bool:
        return action in ALLOWED[self.role]

    def require(self, action: Action) -> None:
        """Raise `NotAllowed`, naming role and action, unless the role permits the action."""
        if not self.may(action):
            raise NotAllowed(f"Your role ({self.role}) may not {action}. Ask an admin for another role.")

    @property
    def compares_blind_only(self) -> bool:
        """Raters may use Compare in blind mode only."""
        return self.role is Role.RATER
