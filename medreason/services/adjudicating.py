"""Finds what raters differ about, and keeps what the lead settles on beside their values.

Answers are called X and Y here, as in every pack before unblinding, so that nobody settles with the arms in view.
"""

from collections import defaultdict

from medreason.domain.arms import ARMS, SIDES
from medreason.domain.checks import Checks
from medreason.domain.items import ITEMS, NONE_FOUND
from medreason.domain.study import ShowingKind
from medreason.domain.user import User
from medreason.errors import NotFound
from medreason.services.scheduling import letters
from medreason.services.study_views import Disputed
from medreason.storage.people import pseudonym
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore

LEAST_RATERS = 2


class Adjudicating:
    def __init__(self, store: StudyStore):
        self._store = store

    def disputed(self, study: StoredStudy) -> tuple[Disputed, ...]:
        """Every answer and item on which two raters differ, most disputed first. Of each rater the newest value of
        the last phase in which it was given."""
        showings = {
            one.id: one for one in self._store.showings.of_study(study.id) if one.kind is ShowingKind.STUDY
        }
        latest: dict[tuple[int, str], dict[int, int]] = defaultdict(dict)
        for stored in self._store.judgements.of(list(showings)):
            if stored.superseded:
                continue
            showing = showings[stored.showing_id]
            shown = dict(zip(SIDES, (showing.left, showing.right), strict=True))
            for one in stored.judgement.given:
                number = shown[one.side]
                if one.value is not None and number is not None and one.item != NONE_FOUND.id:
                    latest[number, one.item][stored.rater_id] = one.value
        settled = {(one.generation_id, one.item): one.value for one in self._store.adjudications.of(study.id)}
        said = {one.id: one for one in self._store.generations.of(study.id)}
        words = {case.case_id: case.text for case in study.plan.cases}
        names = letters(study)
        found = []
        for (number, item), values in latest.items():
            spread = max(values.values()) - min(values.values())
            answer = said.get(number)
            if len(values) >= LEAST_RATERS and spread and answer is not None and answer.arm is not None:
                found.append(
                    Disputed(
                        case_id=answer.case_id,
                        case=words.get(answer.case_id, ""),
                        sample=answer.sample,
                        answer=names[answer.arm],
                        item=item,
                        item_name=ITEMS[item].name,
                        values=tuple((pseudonym(rater), value) for rater, value in sorted(values.items())),
                        spread=spread,
                        adjudicated=settled.get((number, item)),
                    )
                )
        return tuple(sorted(found, key=lambda one: (-one.spread, one.case_id, one.item, one.answer)))

    def settle(
        self,
        study: StoredStudy,
        user: User,
        case_id: str,
        answer: str,
        sample: int,
        item: str,
        value: int | None,
        reason: str,
    ) -> None:
        checks = Checks()
        checks.choice("answer", answer, ("X", "Y"))
        checks.text("reason", reason, 2000)
        if checks.choice("item", item, list(ITEMS)) and value is not None:
            checks.number(ITEMS[item].name, value, ITEMS[item].lowest, ITEMS[item].highest, whole=True)
        checks.done()
        names = letters(study)
        arm = next(arm for arm in ARMS if names[arm] == answer)
        for one in self._store.generations.of(study.id):
            if (one.case_id, one.arm, one.sample) == (case_id, arm, sample):
                self._store.adjudications.add(study.id, one.id, item, value, reason.strip(), user.id)
                return
        raise NotFound(f"There is no answer {answer} to the case {case_id}. Look at the list of disputed cases.")
