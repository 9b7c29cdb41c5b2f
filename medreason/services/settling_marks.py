"""Marks that raters set, and what the lead settles about each: it stands, does not, or is another one's twin.

The marks stay as they were given; what is settled stands beside them, and the last counts. Answers are called X
and Y, so that nobody settles with the arms in view.
"""

from medreason.domain.arms import SIDES
from medreason.domain.checks import Checks
from medreason.domain.span import SEVERITIES
from medreason.domain.study import ShowingKind
from medreason.domain.user import User
from medreason.errors import MedReasonError, NotFound
from medreason.services.judged import mark_name
from medreason.services.scheduling import letters
from medreason.services.study_views import Marked
from medreason.storage.adjudications import Verdict
from medreason.storage.people import pseudonym
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore


class SettlingMarks:
    def __init__(self, store: StudyStore):
        self._store = store

    def marks(self, study: StoredStudy) -> tuple[Marked, ...]:
        """Every mark that stands in a rater's newest revision, practice left out: by case, answer and place."""
        return tuple(one for _, one in self._found(study).values())

    def _found(self, study: StoredStudy) -> dict[str, tuple[int, Marked]]:
        """By name, with the number in the store."""
        showings = {
            one.id: one
            for one in self._store.showings.of_study(study.id)
            if one.kind is not ShowingKind.PRACTICE and one.left and one.right
        }
        said = {one.id: one for one in self._store.generations.of(study.id)}
        called, settled = letters(study), self._store.adjudications.marks_of(study.id)
        stored = [one for one in self._store.judgements.of(list(showings)) if not one.superseded]
        named = {m.id: mark_name(one.id, n) for one in stored for n, m in enumerate(one.marks, 1)}
        found = []
        for one in stored:
            showing = showings[one.showing_id]
            shown = dict(zip(SIDES, (showing.left, showing.right), strict=True))
            for mark in one.marks:
                answer, span = said.get(shown[mark.span.side] or 0), mark.span
                if answer is None:
                    continue
                verdict = settled.get(mark.id)
                made = Marked(
                    id=named[mark.id],
                    case_id=showing.case_id,
                    answer=called[answer.arm] if answer.arm else "",
                    sample=answer.sample,
                    target=str(span.target),
                    rater=pseudonym(one.rater_id),
                    quote=span.quote,
                    type=span.type.words,
                    severity=SEVERITIES[span.severity],
                    basis=str(span.basis),
                    note=span.source_note,
                    verdict=str(verdict.verdict) if verdict else "",
                    merged_into=named.get(verdict.merged_into or 0, "") if verdict else "",
                )
                place = (made.case_id, made.answer, made.sample, made.target, span.start, mark.id)
                found.append((place, mark.id, made))
        return {made.id: (number, made) for _, number, made in sorted(found, key=lambda row: row[0])}

    def settle(
        self, study: StoredStudy, user: User, mark: str, verdict: str, reason: str, merged_into: str = ""
    ) -> None:
        """Keep what was settled about one mark. A mark is merged only into one that is not merged itself."""
        checks = Checks()
        checks.choice("verdict", verdict, list(Verdict))
        checks.text("reason", reason, 2000)
        checks.done()
        there = self._found(study)
        if mark not in there:
            raise NotFound(f"There is no mark {mark} any more. Look at the list of marks again.")
        number, one = there[mark]
        into = None
        if verdict == Verdict.MERGED:
            into, other = there.get(merged_into, (None, None))
            same = other is not None and (other.case_id, other.answer, other.sample, other.target) == (
                one.case_id, one.answer, one.sample, one.target
            )  # fmt: skip
            if other is None or not same or other.id == mark:
                raise MedReasonError("Choose the other mark, in the same text, that this one is the same as.")
            if other.merged_into or any(each.merged_into == mark for _, each in there.values()):
                raise MedReasonError(
                    "One of the two is already the same as a third mark. Choose the one into which all go."
                )
        self._store.adjudications.settle_mark(study.id, number, Verdict(verdict), into, reason.strip(), user.id)
