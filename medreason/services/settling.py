"""What those who answer for a study decide beside its ratings: values, marks, and texts to be taken out.

Checks the role itself. The ratings stay as they were given. Answers are called X and Y.
"""

from medreason.domain.user import Action, User
from medreason.services.adjudicating import Adjudicating
from medreason.services.redacting import Redacting, TypedText
from medreason.services.settling_marks import SettlingMarks
from medreason.services.study_views import Disputed, Marked
from medreason.services.typed import looked_at
from medreason.storage.study_store import StudyStore


class Settling:
    def __init__(self, store: StudyStore):
        self._store = store
        self._adjudicating, self._redacting = Adjudicating(store), Redacting(store)
        self._marks = SettlingMarks(store)

    def disputed(self, user: User, name: str) -> tuple[Disputed, ...]:
        """Answers about which raters differ, most disputed first; by X and Y."""
        user.require(Action.STUDIES)
        return self._adjudicating.disputed(self._store.studies.get(name))

    def adjudicate(
        self,
        user: User,
        name: str,
        case_id: str,
        answer: str,
        item: str,
        value: int | None,
        reason: str,
        sample: int = 1,
        identifiers_ok: bool = False,
    ) -> None:
        """Settle a value beside the raters' own, which stay; the last one counts."""
        user.require(Action.STUDIES)
        looked_at(identifiers_ok, reason=reason)
        study = self._store.studies.get(name)
        self._adjudicating.settle(study, user, case_id, answer, sample, item, value, reason)

    def marks(self, user: User, name: str) -> tuple[Marked, ...]:
        """Every mark that raters have set, with what was settled about it; answers are X and Y."""
        user.require(Action.STUDIES)
        return self._marks.marks(self._store.studies.get(name))

    def settle_mark(
        self,
        user: User,
        name: str,
        mark: str,
        verdict: str,
        reason: str,
        merged_into: str = "",
        identifiers_ok: bool = False,
    ) -> None:
        """Settle a mark beside the raters' own, which stay: yes, no, or merged into another; the last counts."""
        user.require(Action.STUDIES)
        looked_at(identifiers_ok, reason=reason)
        self._marks.settle(self._store.studies.get(name), user, mark, verdict, reason, merged_into)

    def typed_texts(self, user: User, name: str) -> tuple[TypedText, ...]:
        """What was typed in a study, with the number by which an admin can take it out."""
        return self._redacting.texts(user, name)

    def redact(self, user: User, text_id: int, reason: str) -> None:
        """Take a typed text out for good; its hash and the reason stay. For admins."""
        self._redacting.take_out(user, text_id, reason)
