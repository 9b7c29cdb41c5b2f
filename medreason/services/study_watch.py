"""Puts together what the lead of a study sees of it, and says whether its arms have been told. Checks no role."""

from collections.abc import Iterator, Mapping, Sequence

from medreason.data.practice import PracticeCase
from medreason.domain.span import text_sha256
from medreason.domain.study import StudyState
from medreason.services.generating import Generating
from medreason.services.hurried import count_words, hurried, hurried_words
from medreason.services.planning import Planning
from medreason.services.scheduling import answers_of
from medreason.services.seats import Seats
from medreason.services.session_queue import Queue
from medreason.services.study_views import RaterProgress, StudyEvent, StudyView
from medreason.storage.generations import Generation
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
        queues = {
            seat: Queue(self._store, study, seat.rater_id, self._seats.seen_by(seat), self._practice)
            for seat in seats
        }
        warnings = self._planning.warnings(study, there, answers_of(study, there), seats)
        return StudyView(
            name=study.name,
            title=study.plan.shown_title,
            state=study.state,
            plan=study.plan,
            raters=tuple(self._rater(study, seat, queue) for seat, queue in queues.items()),
            generation=self._generating.progress(study),
            flags=tuple(dict.fromkeys(flags)),
            warnings=(*warnings, *_hurried(study, there, queues)),
            lacking=study.plan.lacking(),
            schedule_sha256=schedules[-1].sha256 if schedules else "",
            events=tuple(StudyEvent(one.at, one.actor, one.action, one.reason) for one in entries),
            unblinded=is_unblinded(self._store, study),
        )

    def _rater(self, study: StoredStudy, seat: Seat, queue: Queue) -> RaterProgress:
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


def _hurried(study: StoredStudy, there: Sequence[Generation], queues: Mapping[Seat, Queue]) -> Iterator[str]:
    """Who answered sooner than the case and both sides can be read, practice left out."""
    asked = {case.case_id: count_words(case.text) for case in study.plan.cases}
    said = {one.id: count_words(one.answer.thinking, one.answer.text) for one in there}
    for seat, queue in queues.items():
        done = [one for one in queue.counted if one.id in queue.finished]
        shown = {
            one.id: asked.get(one.case_id, 0) + said.get(one.left or 0, 0) + said.get(one.right or 0, 0)
            for one in done
        }
        if count := sum(hurried(shown[one.id], queue.spent_ms[one.id]) for one in done):
            yield hurried_words(seat.name, count, len(done))


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
