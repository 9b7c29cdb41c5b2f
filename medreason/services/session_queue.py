"""One rater's cases of one study as they stand: what waits, what is done, how long the rest will take."""

import math
from collections.abc import Mapping
from statistics import median

from medreason.data.practice import PracticeCase
from medreason.domain.case import Case
from medreason.domain.items import PHASES, Instrument
from medreason.domain.study import ShowingKind
from medreason.errors import NotFound
from medreason.services.seats import Seen
from medreason.storage.showings import Showing
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore

USUAL_MINUTES = {Instrument.ESSENTIAL: 4.0, Instrument.FULL: 8.0}
LEAST_MINUTES = 0.25
TIMES_OFFERED = 2


class Queue:
    """Read once, when made. A case that the rater has seen elsewhere is in it only where it was finished."""

    def __init__(
        self,
        store: StudyStore,
        study: StoredStudy,
        rater_id: int,
        seen: Seen,
        practice: Mapping[str, PracticeCase],
    ):
        phases = PHASES[study.plan.instrument]
        showings = store.showings.of_rater(study.id, rater_id)
        ids = [one.id for one in showings]
        by_phase = [store.judgements.finished(ids, phase) for phase in phases]
        self.finished = by_phase[-1]
        cases = cases_of(study, practice)
        # A practice case of an earlier version of the program is not there to be shown any more.
        there = [one for one in showings if one.id in self.finished or one.case_id in cases]
        shown = [one for one in there if one.id in self.finished or not seen.has(cases[one.case_id])]
        self.practice = [one for one in shown if one.kind is ShowingKind.PRACTICE]
        self.counted = [one for one in shown if one.kind is not ShowingKind.PRACTICE]
        self.seen_elsewhere = len(there) - len(shown)
        self._skipped = store.notes.skipped(ids)
        self._usual = USUAL_MINUTES[study.plan.instrument]
        self.spent_ms = {
            number: sum(phase[number][1] for phase in by_phase if number in phase) for number in self.finished
        }

    def waiting(self) -> list[Showing]:
        """What is still to be done, in order; skipped ones come last, once."""
        left = [one for one in (*self.practice, *self.counted) if one.id not in self.finished]
        fresh = [one for one in left if one.id not in self._skipped]
        return fresh + [one for one in left if 0 < self._skipped.get(one.id, 0) < TIMES_OFFERED]

    @property
    def done(self) -> int:
        """Cases that are not to be done any more, practice left out."""
        waiting = {one.id for one in self.waiting()}
        return sum(one.id not in waiting for one in self.counted)

    @property
    def skipped(self) -> int:
        """Cases that were skipped and are not finished."""
        return sum(one.id in self._skipped and one.id not in self.finished for one in self.counted)

    @property
    def minutes_left(self) -> int:
        """For what is left, at this rater's own pace once there is one."""
        spent = self.spent_ms.values()
        each = max(LEAST_MINUTES, median(spent) / 60_000) if any(spent) else self._usual
        return math.ceil(each * len(self.waiting()))

    def position(self, showing: Showing) -> int:
        """Its place among its like, practice or not, from 1."""
        return [one.id for one in self.like(showing)].index(showing.id) + 1

    def like(self, showing: Showing) -> list[Showing]:
        return self.practice if showing.kind is ShowingKind.PRACTICE else self.counted


def cases_of(study: StoredStudy, practice: Mapping[str, PracticeCase]) -> dict[str, Case]:
    """Every case that may be shown in a study, by id."""
    return {name: one.case for name, one in practice.items()} | {case.case_id: case for case in study.plan.cases}


def case_of(study: StoredStudy, showing: Showing, practice: Mapping[str, PracticeCase]) -> Case:
    """Raises `NotFound` for a practice case of an earlier version of the program."""
    case = cases_of(study, practice).get(showing.case_id)
    if case is None:
        raise NotFound("This practice case came with an earlier version and is gone. Open your next case in Rate.")
    return case
