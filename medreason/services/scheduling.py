"""Draws the schedule of a study and its amendments, from what is stored, and seals them.

What people wrote (planted errors, practice) is put beside the answers first. A pair of which an answer failed is
left out, and the schedule says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medreason.data.practice import PracticeCase
from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, SIDES, Arm
from medreason.domain.case import CaseKind
from medreason.domain.colouring import Key
from medreason.domain.schedule import (
    ALGORITHM,
    PLANTED,
    PRACTICE,
    Rules,
    Shown,
    Slot,
    draw,
    join,
    listed,
    place,
    unlisted,
)
from medreason.domain.span import text_sha256
from medreason.domain.study import KIND_OF_CASE, ShowingKind
from medreason.errors import MedReasonError
from medreason.storage.generations import Generation, NewGeneration
from medreason.storage.people import Rater
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore


@dataclass(frozen=True)
class Answers:
    """What a study has to show: the cases of which both arms have a usable answer, answers still to be asked for
    as (case, sample), and (case, sample) that failed."""

    shown: tuple[Shown, ...]
    missing: tuple[tuple[str, int], ...]
    failed: tuple[tuple[str, int], ...]


class Scheduling:
    def __init__(self, store: StudyStore, practice: Sequence[PracticeCase]):
        self._store = store
        self._practice = tuple(practice)

    def open(self, study: StoredStudy, actor: str) -> str:
        """Draw and seal the schedule and open the study; gives the hash."""
        raters = {seat.pseudonym: seat.rater_id for seat in self._store.studies.seats(study.id) if not seat.left}
        if not raters:
            raise MedReasonError("The study has no raters. Add those who shall rate, then open it.")
        self._keep_written(study)
        there = self._store.generations.of(study.id)
        answers = answers_of(study, there)
        if answers.missing:
            raise MedReasonError(
                f"{len(answers.missing)} pairs of answers are still to be generated. Generate them first."
            )
        if not any(case.kind is ShowingKind.STUDY for case in answers.shown):
            raise MedReasonError("No case has two usable answers, so there is nothing to rate. Generate again.")
        slots = draw(answers.shown, tuple(raters), self._rules(study), key_of(study))
        body = self._body(study, slots) | {"left_out": [list(one) for one in answers.failed]}
        places = {(one.case_id, one.place): one.id for one in there}
        return self._store.showings.seal(study, body, slots, raters, places, actor, "study opened", opens=True)

    def join(self, study: StoredStudy, rater: Rater, actor: str) -> str:
        """Seal an amendment for somebody who joins an open study; gives its hash."""
        sealed = self._store.showings.schedules(study.id)
        existing = [slot for one in sealed for slot in unlisted(one.values()["slots"])]
        seats = self._store.studies.seats(study.id)
        active = [seat.pseudonym for seat in seats if not seat.left and seat.rater_id != rater.id]
        there = self._store.generations.of(study.id)
        cases = answers_of(study, there).shown
        slots = join(existing, cases, active, rater.pseudonym, self._rules(study), key_of(study))
        places = {(one.case_id, one.place): one.id for one in there}
        body = self._body(study, slots) | {"joins": rater.pseudonym}
        raters = {rater.pseudonym: rater.id}
        return self._store.showings.seal(study, body, slots, raters, places, actor, "schedule amended")

    def leave(self, study: StoredStudy, rater: Rater, actor: str) -> str:
        """Seal an amendment that says who left; their showings stay where they were."""
        body = self._body(study, ()) | {"leaves": rater.pseudonym}
        return self._store.showings.seal(study, body, (), {}, {}, actor, "schedule amended")

    def _rules(self, study: StoredStudy) -> Rules:
        plan = study.plan
        return Rules(plan.overlap, plan.repeat_share, tuple(one.case.case_id for one in self._practice))

    def _body(self, study: StoredStudy, slots: Sequence[Slot]) -> dict[str, object]:
        plan = study.plan
        return {
            "algorithm": ALGORITHM,
            "study": study.name,
            "plan_sha256": study.plan_sha256,
            "secret_sha256": text_sha256(study.secret),
            "seed": plan.seed,
            "overlap": plan.overlap,
            "repeat_share": plan.repeat_share,
            "slots": listed(slots),
        }

    def _keep_written(self, study: StoredStudy) -> None:
        """Store the texts that people wrote, where they are not there yet."""
        known = {(one.case_id, one.origin) for one in self._store.generations.of(study.id)}
        cases = {case.case_id: case for case in study.plan.cases}
        controls = [case for case in cases if cases[case].kind is CaseKind.PLANTED_ERROR]
        new = [
            NewGeneration(
                one.case_id,
                Answer(
                    one.thinking, one.answer, Finish.STOP, thought=bool(one.thinking), closed=bool(one.thinking)
                ),
                origin=PLANTED,
                known_spans=tuple(
                    {
                        "target": str(error.target),
                        "start": start,
                        "end": end,
                        "quote": error.quote,
                        "type": str(error.type),
                        "severity": error.severity,
                    }
                    for error, start, end in one.places
                ),
            )
            for one in study.plan.planted
            if one.case_id in controls and (one.case_id, PLANTED) not in known
        ]
        new += [
            NewGeneration(one.case.case_id, one.answer(side), sample=number, origin=PRACTICE)
            for one in self._practice
            if (one.case.case_id, PRACTICE) not in known
            for number, side in enumerate(SIDES, 1)
        ]
        self._store.generations.add(study.id, new)


def key_of(study: StoredStudy) -> Key:
    return Key(study.secret, study.plan.seed)


def answers_of(study: StoredStudy, there: Sequence[Generation]) -> Answers:
    """What can be shown, what is still to be asked for, and what failed."""
    said: Mapping[tuple[str, str], Generation] = {(one.case_id, one.place): one for one in there}
    shown: list[Shown] = []
    missing: list[tuple[str, int]] = []
    failed: list[tuple[str, int]] = []
    for case in study.plan.cases:
        usable = []
        for sample in range(1, study.plan.samples_of(case) + 1):
            both = [said.get((case.case_id, place(arm, sample))) for arm in ARMS]
            if any(one is None or one.answer.finish is Finish.CANCELLED for one in both):
                missing.append((case.case_id, sample))
            elif all(one is not None and one.usable for one in both):
                usable.append(sample)
            else:
                failed.append((case.case_id, sample))
        kind = KIND_OF_CASE[case.kind]
        if kind is ShowingKind.GOLD_PLANTED:
            usable = usable[:1]
        if len(usable) >= (2 if kind is ShowingKind.GOLD_AA else 1):
            shown.append(Shown(case.case_id, kind, tuple(usable)))
    return Answers(tuple(shown), tuple(missing), tuple(failed))


def letters(study: StoredStudy) -> dict[Arm, str]:
    """How the arms are called while they may not be told: X and Y, drawn by the study's secret."""
    first = key_of(study).coin("letters")
    return {Arm.BASELINE: "X" if first else "Y", Arm.FINETUNED: "Y" if first else "X"}
