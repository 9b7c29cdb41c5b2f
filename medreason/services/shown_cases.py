"""What of a case its rater may see now: nothing of a phase that has not come, nothing that tells the arms."""

from collections.abc import Mapping

from medreason.data.practice import PracticeCase
from medreason.domain.arms import SIDES, Side
from medreason.domain.items import PHASES, Phase
from medreason.domain.study import ShowingKind
from medreason.services.session_queue import Queue, case_of
from medreason.services.session_views import NOTHING_YET, ShowingView, SideText, side_text
from medreason.storage.showings import Showing
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore


class ShownCases:
    def __init__(self, store: StudyStore, practice: Mapping[str, PracticeCase]):
        self._store = store
        self._practice = practice

    def sides(self, showing: Showing, phase: Phase) -> dict[Side, SideText]:
        found = self._store.generations.by_id([one for one in (showing.left, showing.right) if one])
        return {
            side: side_text(found[number].answer, phase is Phase.WITH_TRACE)
            for side, number in zip(SIDES, (showing.left, showing.right), strict=True)
            if number
        }

    def view(self, study: StoredStudy, showing: Showing, queue: Queue) -> ShowingView:
        """The phase to fill now, or the last one to be revised. That it is opened is for the caller to keep."""
        phases = PHASES[study.plan.instrument]
        stored = {phase: self._store.judgements.latest(showing.id, phase) for phase in phases}
        phase = next((phase for phase in phases if stored[phase] is None), phases[-1])
        previous, first = stored[phase], stored[phases[0]]
        own = self._store.notes.own_answer(showing.id)
        asks = asks_own(study, showing) and own is None and first is None
        sides = dict.fromkeys(SIDES, NOTHING_YET) if asks else self.sides(showing, phase)
        case = case_of(study, showing, self._practice)
        return ShowingView(
            showing_id=showing.id,
            study=study.name,
            title=study.plan.shown_title,
            instrument=study.plan.instrument,
            position=queue.position(showing),
            total=len(queue.like(showing)),
            minutes_left=queue.minutes_left,
            practice=showing.kind is ShowingKind.PRACTICE,
            case_text=case.text,
            specialty=case.specialty,
            asks_own_answer=asks,
            own_answer=own.text if own else "",
            phase=phase,
            locked=first.judgement if first and phase is not phases[0] else None,
            previous=previous.judgement if previous else None,
            revision_no=previous.revision_no if previous else 0,
            left=sides[Side.LEFT],
            right=sides[Side.RIGHT],
            draft=self._store.notes.draft(showing.id),
            skipped=self._store.notes.skipped([showing.id]).get(showing.id, 0),
        )


def asks_own(study: StoredStudy, showing: Showing) -> bool:
    """Whether the rater's own answer comes before the models'."""
    return study.plan.own_answer and showing.kind is not ShowingKind.PRACTICE
