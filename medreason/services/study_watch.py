"""Puts together what the lead of a study sees of it, and says whether its arms have been told. Checks no role."""

from collections.abc import Sequence

from medreason.data.practice import PracticeCase
from medreason.domain.span import text_sha256
from medreason.domain.study import StudyState
from medreason.services.generating import Generating
from medreason.services.planning import Planning
from medreason.services.scheduling import answers_of
from medreason.services.seats import Seats
from medreason.services.session_queue import Queue
from medreason.services.study_views import RaterProgress, StudyEvent, StudyView
from medreason.storage.studies import Seat, StoredStudy
from medreason.storage.study_store import StudyStore

CLOSED = "closed and unblinded"
UNBLINDED = "unblinded early"


class StudyWatch:
    def __init__(
        self,
        store: StudyStore,
        seats: Seats,
        practice: Sequence[PracticeCase],
        generating: Generating,
        planning: Planning,
    ):
        self._store = store
        self._seats = seats
        self._practice = {one.case.case_id: one for one in practice}
        self._generating = generating
        self._planning = planning

    def view(self, study: StoredStudy) -> StudyView:
        schedules = self._store.showings.schedules(study.id)
        there = self._store.generations.of(study.id)
        seats = self._store.studies.seats(study.id)
        entries = self._store.audit.entries(study.object)
        flags = [f"{one.case_id}: {flag}" for one in there for flag in one.flags]
        return StudyView(
            name=study.name,
            title=study.plan.shown_title,
            state=study.state,
            plan=study.plan,
            raters=tuple(self._rater(study, seat) for seat in seats),
            generation=self._generating.progress(study),
            flags=tuple(dict.fromkeys(flags)),
            warnings=self._planning.warnings(study, there, answers_of(study, there), seats),
            lacking=study.plan.lacking(),
            schedule_sha256=schedules[-1].sha256 if schedules else "",
            events=tuple(StudyEvent(one.at, one.actor, one.action, one.reason) for one in entries),
            unblinded=is_unblinded(self._store, study),
        )

    def _rater(self, study: StoredStudy, seat: Seat) -> RaterProgress:
        queue = Queue(self._store, study, seat.rater_id, self._seats.seen_by(seat), self._practice)
        return RaterProgress(
            name=seat.name,
            pseudonym=seat.pseudonym,
            done=queue.done,
            total=len(queue.counted),
            skipped=queue.skipped,
            seen_elsewhere=queue.seen_elsewhere,
            minutes_left=0 if seat.left else queue.minutes_left,
            consented=self._store.studies.consented(study.id, seat.rater_id, consent_sha256(study)),
            left=seat.left,
        )


def is_unblinded(store: StudyStore, study: StoredStudy) -> bool:
    """Whether the arms have been told to anybody: by closing, or before it with a reason."""
    if study.state is StudyState.CLOSED:
        return True
    return bool(unblinded_by(store, study))


def unblinded_by(store: StudyStore, study: StoredStudy) -> frozenset[str]:
    """Who looked the arms up before closing, as the audit calls them."""
    return store.audit.actors(study.object, UNBLINDED)


def consent_sha256(study: StoredStudy) -> str:
    """The hash of what a rater accepts: ethics and consent text together."""
    return text_sha256(f"{study.plan.ethics}\n\n{study.plan.consent}")
