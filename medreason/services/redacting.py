"""Typed texts of a study, for the admin who has to take one out: what it is, whose, and its number.

A text that is taken out leaves its hash and the reason; ratings, audit and schedule stay as they are.
"""

from dataclasses import dataclass

from medreason.domain.checks import Checks
from medreason.domain.user import Role, User
from medreason.errors import NotAllowed
from medreason.storage.people import pseudonym
from medreason.storage.study_store import StudyStore


@dataclass(frozen=True)
class TypedText:
    """One text that somebody typed. `kind` is comment, reason, source of a mark, own answer,
    skip, case or settled (why a lead settled something); `by` a pseudonym, empty
    for a case; `about` the case."""

    id: int
    kind: str
    by: str
    about: str
    text: str


class Redacting:
    def __init__(self, store: StudyStore):
        self._store = store

    def texts(self, user: User, name: str) -> tuple[TypedText, ...]:
        """Everything typed in a study that is still there, cases first, then in the order of typing."""
        _require_admin(user)
        study = self._store.studies.get(name)
        showings = {one.id: one for one in self._store.showings.of_study(study.id)}
        found = [
            TypedText(number, "case", "", case.case_id, case.text)
            for number, case in self._store.studies.text_ids(study)
        ]
        for one in self._store.judgements.of(list(showings)):
            about, by = showings[one.showing_id].case_id, pseudonym(one.rater_id)
            if one.comment_id:
                found.append(TypedText(one.comment_id, "comment", by, about, one.judgement.comment))
            if one.reason_id:
                found.append(TypedText(one.reason_id, "reason", by, about, one.judgement.reason))
            found += [
                TypedText(mark.note_id, "source of a mark", by, about, mark.span.source_note)
                for mark in one.marks
                if mark.note_id
            ]
        for note in self._store.notes.typed(list(showings)):
            showing = showings[note.showing_id]
            by = pseudonym(showing.rater_id)
            found.append(TypedText(note.text_id, note.kind, by, showing.case_id, note.text))
        settled = self._store.adjudications.reasons(study.id)
        return (*found, *(TypedText(number, "settled", "", "", text) for number, text in settled))

    def take_out(self, user: User, text_id: int, reason: str) -> None:
        """Take a typed text out for good, recorded with the reason."""
        _require_admin(user)
        checks = Checks()
        checks.text("reason", reason, 2000)
        checks.done()
        self._store.adjudications.take_out(text_id, reason, user.id)


def _require_admin(user: User) -> None:
    if user.role is not Role.ADMIN:
        raise NotAllowed("Only an admin can take a stored text out. Ask one.")
