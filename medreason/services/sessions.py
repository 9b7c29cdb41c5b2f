"""Rating sessions: which case comes next, what may be seen of it now, and the saving of what a rater gives.

Nothing that leaves here tells the arms, and nothing that the rater may not see yet leaves at all. A case that the
rater has seen in Compare is never offered. Knows no page.
"""

from collections.abc import Sequence

from medreason.data.practice import PracticeCase
from medreason.domain.checks import Checks
from medreason.domain.items import CONFIDENCE, PHASES, Phase
from medreason.domain.judgement import Judgement
from medreason.domain.rater import RaterFacts
from medreason.domain.rating import LONGEST_COMMENT
from medreason.domain.study import ShowingKind, StudyState
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError, NotAllowed
from medreason.services.completeness import require_complete, require_small, require_spans_fit
from medreason.services.feedback import feedback_on
from medreason.services.seats import Seats
from medreason.services.session_queue import Queue, case_of
from medreason.services.session_views import (
    Feedback,
    FinishedShowing,
    Invitation,
    Receipt,
    ShowingView,
)
from medreason.services.shown_cases import ShownCases, asks_own
from medreason.services.study_watch import consent_sha256, unblinded_by
from medreason.services.typed import look_at, looked_at
from medreason.storage.judgements import Change
from medreason.storage.people import Rater
from medreason.storage.showings import Showing
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore

FIRST_WORDS = 80
NO_SEAT = "You have no seat in this study. Ask its lead to add you."


class RatingSessions:
    def __init__(self, store: StudyStore, seats: Seats, practice: Sequence[PracticeCase]):
        self._store = store
        self._seats = seats
        self._practice = {one.case.case_id: one for one in practice}
        self._shown = ShownCases(store, self._practice)

    def invitations(self, user: User, rater_name: str) -> tuple[Invitation, ...]:
        """The studies in which this person has a seat, open ones first; drafts are not told."""
        user.require(Action.RATE)
        rater = self._seats.find(user, rater_name)
        if rater is None:
            return ()
        found = []
        for study_id in self._store.studies.seats_of(rater.id):
            study = self._store.studies.by_id(study_id)
            if study.state in (StudyState.OPEN, StudyState.CLOSED):
                found.append(self._invitation(user, rater, rater_name, study))
        return tuple(sorted(found, key=lambda one: one.state is not StudyState.OPEN))

    def accept(self, user: User, rater_name: str, study: str, text_sha256: str) -> None:
        """Store that this rater accepts the consent text of this hash."""
        found, rater = self._seat(user, rater_name, study)
        if text_sha256 != consent_sha256(found):
            raise MedReasonError("The consent text has changed. Read it again, then accept it.")
        self._store.studies.consent(found, rater.id, text_sha256)

    def about(self, user: User, rater_name: str) -> RaterFacts:
        """What this rater has said of themselves."""
        user.require(Action.RATE)
        return self._seats.facts(user, rater_name)

    def tell_about(self, user: User, rater_name: str, facts: RaterFacts) -> None:
        """Keep what this rater says of themselves, which may change at any time; the newest is exported."""
        user.require(Action.RATE)
        self._seats.tell(user, rater_name, facts)

    def next(self, user: User, rater_name: str, study: str) -> ShowingView | None:
        """The first unfinished case in this rater's order, practice first; skipped ones come last, once. None
        when all is done."""
        with self._store.one_view():
            found, rater = self._seat(user, rater_name, study)
            self._require_consent(found, rater)
            queue = self._queue(user, rater, rater_name, found)
            waiting = queue.waiting()
            shown = self._shown.view(found, waiting[0], queue) if waiting else None
        return self._opened(shown) if shown is not None else None

    def open(self, user: User, rater_name: str, showing_id: int) -> ShowingView:
        """One of this rater's cases, a finished one to revise it; while the study is open."""
        with self._store.one_view():
            study, rater, showing = self._own(user, rater_name, showing_id)
            shown = self._shown.view(study, showing, self._queue(user, rater, rater_name, study))
        return self._opened(shown)

    def finished(self, user: User, rater_name: str, study: str) -> tuple[FinishedShowing, ...]:
        """What this rater has finished, the newest last; practice left out."""
        found, rater = self._seat(user, rater_name, study)
        queue = self._queue(user, rater, rater_name, found)
        words = {case.case_id: case.text for case in found.plan.cases}
        counted = {one.id: one for one in queue.counted}
        return tuple(
            FinishedShowing(number, queue.position(one), _first_words(words.get(one.case_id, "")), submitted_at)
            for number, (submitted_at, _) in queue.finished.items()
            if (one := counted.get(number)) is not None
        )

    def own_answer(
        self,
        user: User,
        rater_name: str,
        showing_id: int,
        text: str,
        confidence: int | None,
        identifiers_ok: bool = False,
    ) -> None:
        """What the rater would have said, before anything is shown; the first stands. An empty text declines."""
        study, rater, showing = self._own(user, rater_name, showing_id)
        if not asks_own(study, showing):
            raise MedReasonError("This case does not ask for your own answer.")
        checks = Checks()
        checks.text("your own answer", text, LONGEST_COMMENT, empty_ok=True)
        if confidence is not None:
            checks.number("confidence", confidence, 1, len(CONFIDENCE), whole=True)
        checks.done()
        note = looked_at(identifiers_ok, own_answer=text)
        self._store.notes.keep_own_answer(showing_id, rater.id, text.strip(), confidence, note)

    def save_draft(self, user: User, rater_name: str, showing_id: int, draft: dict) -> None:
        """Keep what is filled in so far; newest wins. Found again on any machine, by the same rater only."""
        with self._store.one_view():
            self._own(user, rater_name, showing_id)
        require_small(draft)
        self._store.notes.save_draft(showing_id, draft)

    def submit(
        self, user: User, rater_name: str, showing_id: int, judgement: Judgement, identifiers_ok: bool = False
    ) -> Receipt:
        """Store a judgement of the present phase, or a revision of it; it is on the disk when this returns."""
        with self._store.one_view():
            study, rater, showing = self._own(user, rater_name, showing_id)
            phases = PHASES[study.plan.instrument]
            require_complete(judgement, study.plan.instrument)
            if asks_own(study, showing) and self._store.notes.own_answer(showing_id) is None:
                raise MedReasonError("Not saved: this case asks for your own answer first.")
            for earlier in phases[: phases.index(judgement.phase)]:
                if self._store.judgements.latest(showing_id, earlier) is None:
                    raise MedReasonError("Not saved: the answers are rated first, before the thinking is shown.")
            require_spans_fit(judgement, self._shown.sides(showing, judgement.phase))
        note = look_at(judgement, identifiers_ok)
        last = judgement.phase is phases[-1]
        practice = showing.kind is ShowingKind.PRACTICE
        change = Change.LOCKED if not last else Change.FREE if practice else Change.WITH_REASON
        saved = self._store.judgements.append(showing_id, rater.id, judgement, change, note)
        told = self._feedback(showing, judgement, phases) if last and practice else None
        return Receipt(saved.revision_no, judgement.phase, saved.submitted_at, last, told)

    def skip(
        self,
        user: User,
        rater_name: str,
        showing_id: int,
        reason: str,
        identifiers_ok: bool = False,
        skipped_before: int | None = None,
    ) -> None:
        """Put a case off to the end, with the reason; skipped again, it is not offered any more. With
        `skipped_before`, as the case was seen, the same skip sent twice counts once."""
        study, rater, showing = self._own(user, rater_name, showing_id)
        checks = Checks()
        checks.text("reason", reason, 2000)
        checks.done()
        if self._store.judgements.latest(showing_id, PHASES[study.plan.instrument][-1]) is not None:
            raise MedReasonError("This case is finished, so it cannot be skipped. Open it to revise it.")
        note = looked_at(identifiers_ok, reason=reason)
        self._store.notes.skip(showing_id, rater.id, reason.strip(), note, skipped_before)

    def _opened(self, shown: ShowingView) -> ShowingView:
        """Keep that this phase was opened, before its rater sees it."""
        self._store.showings.note_opened(shown.showing_id, shown.phase)
        return shown

    def _feedback(self, showing: Showing, judgement: Judgement, phases: Sequence[Phase]) -> Feedback:
        """On everything that was given, the earlier phase included."""
        stored = [self._store.judgements.latest(showing.id, phase) for phase in phases[:-1]]
        given = [one for each in stored if each for one in each.judgement.given]
        return feedback_on(self._practice[showing.case_id], (*given, *judgement.given))

    def _invitation(self, user: User, rater: Rater, rater_name: str, study: StoredStudy) -> Invitation:
        queue = self._queue(user, rater, rater_name, study)
        sha256 = consent_sha256(study)
        return Invitation(
            study=study.name,
            title=study.plan.shown_title,
            instrument=study.plan.instrument,
            state=study.state,
            done=queue.done,
            total=len(queue.counted),
            minutes_left=queue.minutes_left,
            needs_consent=not self._store.studies.consented(study.id, rater.id, sha256),
            consent=study.plan.consent,
            consent_sha256=sha256,
            ethics=study.plan.ethics,
        )

    def _seat(self, user: User, rater_name: str, name: str) -> tuple[StoredStudy, Rater]:
        """The open study and this rater, who sits in it and has not learned its arms."""
        user.require(Action.RATE)
        study = self._store.studies.get(name)
        rater = self._seats.find(user, rater_name)
        if rater is None:
            raise NotAllowed(NO_SEAT)
        self._require_seat(user, rater, study)
        return study, rater

    def _require_seat(self, user: User, rater: Rater, study: StoredStudy) -> None:
        if study.id not in self._store.studies.seats_of(rater.id):
            raise NotAllowed(NO_SEAT)
        if study.state is not StudyState.OPEN:
            said = "is closed; what you gave is kept" if study.state is StudyState.CLOSED else "has not begun yet"
            raise MedReasonError(f"The study {study.plan.shown_title} {said}.")
        if f"user:{user.id}" in unblinded_by(self._store, study):
            raise NotAllowed("Under this login it was looked up which side is which, so it can rate no more here.")

    def _require_consent(self, study: StoredStudy, rater: Rater) -> None:
        if not self._store.studies.consented(study.id, rater.id, consent_sha256(study)):
            raise NotAllowed("Read and accept the text about taking part first.")

    def _own(self, user: User, rater_name: str, showing_id: int) -> tuple[StoredStudy, Rater, Showing]:
        """A showing of this rater's that they may work on. Somebody else's, and one that is not there, are
        refused in the same words."""
        user.require(Action.RATE)
        rater = self._seats.find(user, rater_name)
        showing = self._store.showings.find(showing_id)
        if showing is None or rater is None or showing.rater_id != rater.id or showing.study_id is None:
            raise NotAllowed("This case is not one of yours. Open your next case in Rate.")
        study = self._store.studies.by_id(showing.study_id)
        self._require_seat(user, rater, study)
        self._require_consent(study, rater)
        case = case_of(study, showing, self._practice)
        if self._seats.seen(user, rater, rater_name).has(case):
            raise NotAllowed("You have seen this case in Compare, so you cannot rate it in the study.")
        return study, rater, showing

    def _queue(self, user: User, rater: Rater, rater_name: str, study: StoredStudy) -> Queue:
        return Queue(self._store, study, rater.id, self._seats.seen(user, rater, rater_name), self._practice)


def _first_words(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= FIRST_WORDS else words[: FIRST_WORDS - 1].rsplit(" ", 1)[0] + "…"
