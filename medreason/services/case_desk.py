"""Which cases of the deck a user may put to the models in Compare.

A case that is being rated blind in an open study would be spoiled for its rater by seeing it here, so it is left
out of the list, and refused by its id and by its very text.
"""

from collections.abc import Callable, Sequence

from medreason.data.overlap import normalised
from medreason.domain.case import Case
from medreason.domain.user import User
from medreason.errors import NotAllowed

ClosedCases = Callable[[User], frozenset[str]]


def none_closed(_: User) -> frozenset[str]:
    return frozenset()


class CaseDesk:
    """`closed_cases` gives ids and texts of the cases that are closed to a user just now."""

    def __init__(self, cases: Sequence[Case], closed_cases: ClosedCases = none_closed):
        self._cases = tuple(cases)
        self._closed_cases = closed_cases

    def open_to(self, user: User) -> tuple[Case, ...]:
        closed = self._closed_cases(user)
        return tuple(case for case in self._cases if case.case_id not in closed)

    def is_closed(self, user: User, case_id: str | None, *texts: str) -> bool:
        """Whether this id is closed to the user, or one of these texts is that of a closed case."""
        return self.closed_to(user)(case_id, *texts)

    def closed_to(self, user: User) -> Callable[..., bool]:
        """The same for many cases, of one moment: what is closed is asked for once."""
        closed = self._closed_cases(user)
        known = (case.text for case in self._cases if case.case_id in closed)
        shut = {normalised(text) for text in (*closed, *known)}

        def is_one(case_id: str | None, *texts: str) -> bool:
            return bool(closed) and (case_id in closed or any(normalised(text) in shut for text in texts))

        return is_one

    def require_open(self, user: User, case_id: str | None, text: str) -> None:
        if self.is_closed(user, case_id, text):
            raise NotAllowed(
                "This case belongs to a study that is being rated, so it cannot be asked here. Choose another."
            )
