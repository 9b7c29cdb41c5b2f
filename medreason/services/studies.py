"""Studies, for those who lead them: plan, generate, open, watch, close. Checks the role itself.

What is told here never names an arm before the study is closed or unblinded with a reason.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medreason.data.cases import load_cases
from medreason.data.planted import load_planted
from medreason.data.practice import PracticeCase
from medreason.domain.case import Case
from medreason.domain.checks import Checks
from medreason.domain.study import StudyPlan, StudyState
from medreason.domain.user import Action, Role, User
from medreason.errors import MedReasonError, NotFound
from medreason.services.added_cases import new_cases
from medreason.services.generating import Generating
from medreason.services.planning import Planning
from medreason.services.scheduling import Scheduling
from medreason.services.seats import Seats
from medreason.services.study_views import GenerationProgress, Preview, StudyView
from medreason.services.study_watch import CLOSED, UNBLINDED, StudyWatch
from medreason.services.typed import looked_at
from medreason.storage.people import name_key
from medreason.storage.studies import Seat, StoredStudy
from medreason.storage.study_store import StudyStore

SECRET_BYTES = 32


class Studies:
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
        self._practice_ids = tuple(one.case.case_id for one in practice)
        self._watch = StudyWatch(store, seats, practice, generating, planning)
        self._scheduling = Scheduling(store, practice)
        self._generating = generating
        self._planning = planning

    def create(self, user: User, plan: StudyPlan, identifiers_ok: bool = False) -> StudyView:
        """A new draft. Raters named in the plan get their seats."""
        user.require(Action.STUDIES)
        note = _look_at_cases(plan.cases, identifiers_ok)
        study = self._store.studies.create(plan, secrets.token_hex(SECRET_BYTES), user.id, _who(user))
        return self._kept(user, study, note)

    def change(self, user: User, name: str, plan: StudyPlan, identifiers_ok: bool = False) -> StudyView:
        """Another plan for a draft; its name stays."""
        user.require(Action.STUDIES)
        study = self._store.studies.get(name)
        known = {case.text for case in study.plan.cases}
        note = _look_at_cases([case for case in plan.cases if case.text not in known], identifiers_ok)
        return self._kept(user, self._store.studies.change(study, plan, _who(user)), note)

    def _kept(self, user: User, study: StoredStudy, note: str) -> StudyView:
        if note:
            self._store.audit.note(_who(user), note, study.object)
        wanted = {name_key(name): name for name in study.plan.raters}
        for seat in self._store.studies.seats(study.id):
            if not seat.left and name_key(seat.name) not in wanted:
                self._store.studies.unseat(study, seat.rater_id, _who(user))
        for name in wanted.values():
            self._store.studies.seat(study, self._seats.invited(user, name).id, _who(user))
        return self._watch.view(study)

    def import_cases(self, user: User, file: Path, name: str, identifiers_ok: bool = False) -> StudyView:
        """Put the cases of a CSV or JSONL file, with the planted errors of its controls, into the draft of that
        name, made where there is none."""
        user.require(Action.STUDIES)
        cases, planted = load_cases(file), load_planted(file)
        try:
            plan = self._store.studies.get(name).plan
        except NotFound:
            return self.create(user, StudyPlan(name, cases=cases, planted=planted), identifiers_ok)
        more = (*plan.cases, *new_cases(plan.cases, cases, file.name))
        texts = {one.case_id: one for one in (*plan.planted, *planted)}
        changed = replace(plan, cases=more, planted=tuple(texts.values()))
        return self.change(user, name, changed, identifiers_ok)

    def list(self, user: User) -> tuple[StudyView, ...]:
        """Every study, newest first."""
        user.require(Action.STUDIES)
        return tuple(self._watch.view(study) for study in self._store.studies.all())

    def get(self, user: User, name: str) -> StudyView:
        user.require(Action.STUDIES)
        return self._watch.view(self._store.studies.get(name))

    def preview(self, user: User, plan: StudyPlan) -> Preview:
        """What a plan means for its raters, and what it can show; nothing is stored."""
        user.require(Action.STUDIES)
        return self._planning.preview(plan, self._practice_ids)

    def generate(self, user: User, name: str) -> GenerationProgress:
        """Begin or go on asking both arms in the background; returns at once."""
        user.require(Action.STUDIES)
        study = self._store.studies.get(name)
        if lacking := study.plan.lacking():
            raise MedReasonError(f"The study still lacks: {'; '.join(lacking)}.")
        self._generating.require_ready(study.plan)
        if study.state is StudyState.DRAFT:
            self._store.studies.set_state(study, StudyState.GENERATING, _who(user), "answers asked for")
            study = self._store.studies.get(name)
        if study.state is not StudyState.GENERATING:
            raise MedReasonError(f"The study {study.name} is {study.state}, so its answers stay as they are.")
        self._generating.start(user, study)
        return self._generating.progress(study)

    def stop_generating(self, user: User, name: str) -> None:
        """Stop after the answer that is being given; what is there stays, and `generate` goes on from it."""
        user.require(Action.STUDIES)
        self._generating.stop(self._store.studies.get(name))

    def stop_all(self) -> None:
        """At shutdown: end what is being generated."""
        self._generating.stop_all()

    def progress(self, user: User, name: str) -> GenerationProgress:
        user.require(Action.STUDIES)
        return self._generating.progress(self._store.studies.get(name))

    def open(self, user: User, name: str) -> StudyView:
        """Draw and seal the schedule; from then on raters can work, and the plan stays."""
        user.require(Action.STUDIES)
        study = self._store.studies.get(name)
        if lacking := study.plan.lacking():
            raise MedReasonError(f"The study still lacks: {'; '.join(lacking)}.")
        if study.state is not StudyState.GENERATING:
            raise MedReasonError(f"The study {study.name} is {study.state}. Generate its answers, then open it.")
        if self._generating.running(study):
            raise MedReasonError("Answers are still being generated. Wait, or stop it; then open the study.")
        self._scheduling.open(study, _who(user))
        return self.get(user, name)

    def close(self, user: User, name: str, reason: str) -> StudyView:
        """Lock all ratings for good and tell the arms; recorded with the reason."""
        study = self._lead(user, name, StudyState.OPEN, reason)
        self._store.studies.set_state(study, StudyState.CLOSED, _who(user), CLOSED, reason)
        return self.get(user, name)

    def unblind(self, user: User, name: str, reason: str) -> StudyView:
        """Tell the arms before closing; recorded with the reason. Nobody rates under this login afterwards."""
        study = self._lead(user, name, StudyState.OPEN, reason)
        self._store.audit.note(_who(user), UNBLINDED, study.object, reason=reason)
        return self.get(user, name)

    def add_rater(self, user: User, name: str, rater: str) -> StudyView:
        """Give somebody a seat; in an open study they get showings of their own by an amendment."""
        user.require(Action.STUDIES)
        study = self._not_closed(name)
        person = self._seats.invited(user, rater)
        if person.id in {seat.rater_id for seat in self._store.studies.seats(study.id) if not seat.left}:
            raise MedReasonError(f"{rater.strip()} takes part in this study already.")
        if study.state is StudyState.DRAFT:
            return self.change(user, name, replace(study.plan, raters=(*study.plan.raters, rater.strip())))
        self._store.studies.seat(study, person.id, _who(user))
        if study.state is StudyState.OPEN and not self._store.showings.of_rater(study.id, person.id):
            self._scheduling.join(study, person, _who(user))
        return self.get(user, name)

    def remove_rater(self, user: User, name: str, rater: str, reason: str = "") -> StudyView:
        """Take a seat; what was rated stays, and so does everybody else's schedule."""
        user.require(Action.STUDIES)
        study = self._not_closed(name)
        seat = self._seat_of(study, rater)
        if study.state is StudyState.DRAFT:
            others = tuple(one for one in study.plan.raters if name_key(one) != name_key(rater))
            return self.change(user, name, replace(study.plan, raters=others))
        self._store.studies.unseat(study, seat.rater_id, _who(user), reason)
        if study.state is StudyState.OPEN:
            person = self._seats.by_id(seat.rater_id)
            self._scheduling.leave(study, person, _who(user))
        return self.get(user, name)

    def closed_cases(self, user: User) -> frozenset[str]:
        """Ids and texts of the cases that this login may not ask in Compare: those of studies that are not closed,
        for raters of all of them, for others of those in which somebody rates under their login."""
        found: set[str] = set()
        for study in self._store.studies.all():
            if study.state is StudyState.CLOSED:
                continue
            seats = self._store.studies.seats(study.id)
            if user.role is Role.RATER or (
                study.state is not StudyState.DRAFT and any(s.user_id == user.id and not s.left for s in seats)
            ):
                found |= {case.case_id for case in study.plan.cases}
                found |= {case.text.strip() for case in study.plan.cases}
        return frozenset(found)

    def _lead(self, user: User, name: str, state: StudyState, reason: str) -> StoredStudy:
        user.require(Action.STUDIES)
        _require_reason(reason)
        study = self._store.studies.get(name)
        if study.state is not state:
            raise MedReasonError(f"The study {study.name} is {study.state}, not {state}.")
        return study

    def _not_closed(self, name: str) -> StoredStudy:
        study = self._store.studies.get(name)
        if study.state is StudyState.CLOSED:
            raise MedReasonError(f"The study {study.name} is closed, so its raters stay as they are.")
        return study

    def _seat_of(self, study: StoredStudy, rater: str) -> Seat:
        for seat in self._store.studies.seats(study.id):
            if not seat.left and name_key(seat.name) == name_key(rater):
                return seat
        raise NotFound(f"{rater.strip()} has no seat in this study. Look at its list of raters.")


def _who(user: User) -> str:
    return f"user:{user.id}"


def _require_reason(reason: str) -> None:
    checks = Checks()
    checks.text("reason", reason, 2000)
    checks.done()


def _look_at_cases(cases: Sequence[Case], identifiers_ok: bool) -> str:
    return looked_at(identifiers_ok, **{f"case {case.case_id}": case.text for case in cases})
