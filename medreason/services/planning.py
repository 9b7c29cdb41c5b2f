"""What a study can show and what speaks against it, in sentences: before it is made and while it runs."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from medreason.data.sketch import overlap_with_record
from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS
from medreason.domain.colouring import Key
from medreason.domain.dataset import CaseOverlap
from medreason.domain.schedule import Rules, Shown, draw
from medreason.domain.study import KIND_OF_CASE, StudyPlan, StudyState
from medreason.services.scheduling import Answers
from medreason.services.session_queue import USUAL_MINUTES
from medreason.services.study_views import Preview
from medreason.stats.estimate import FEW_FOR_TEST
from medreason.stats.planning import cases_needed, detectable_probability, smallest_p
from medreason.storage.generations import Generation
from medreason.storage.studies import Seat, StoredStudy

EFFECTS = (0.65, 0.75)
FAMILY = 3
GOLD_LEAST, GOLD_MOST = 0.10, 0.15


class Planning:
    """`manifest_of` gives what an adapter, named by its key, says it learned from; None where nothing is known."""

    def __init__(self, manifest_of: Callable[[str], Mapping[str, Any] | None]):
        self._manifest_of = manifest_of

    def overlaps(self, plan: StudyPlan) -> tuple[CaseOverlap, ...] | None:
        """Cases that the plan's adapter may have learned from; None where that is not known."""
        return overlap_with_record(plan.cases, self._manifest_of(plan.adapter))

    def preview(self, plan: StudyPlan, practice: Sequence[str]) -> Preview:
        """Drawn with a key of its own, which has no bearing on the study's."""
        raters = [f"R{number}" for number in range(1, max(1, len(plan.raters)) + 1)]
        shown = [
            Shown(case.case_id, KIND_OF_CASE[case.kind], tuple(range(1, plan.samples_of(case) + 1)))
            for case in plan.cases
        ]
        slots = draw(
            shown, raters, Rules(plan.overlap, plan.repeat_share, tuple(practice)), Key("preview", plan.seed)
        )
        busiest = max(sum(slot.rater == rater for slot in slots) for rater in raters) if slots else 0
        overlaps = self.overlaps(plan)
        answers = len(ARMS) * sum(plan.samples_of(case) for case in plan.cases)
        minutes = round(busiest * USUAL_MINUTES[plan.instrument])
        words = (*plan_words(plan), *overlap_words(overlaps, len(plan.cases)))
        return Preview(busiest, minutes, answers, words, overlaps)

    def warnings(
        self, study: StoredStudy, there: Sequence[Generation], answers: Answers, seats: Sequence[Seat]
    ) -> tuple[str, ...]:
        """What speaks against the study as it stands."""
        said: list[str] = []
        sitting = sum(not seat.left for seat in seats)
        if sitting < study.plan.overlap:
            closed = study.state is StudyState.CLOSED
            then = f"took part; agreement rests on {sitting}." if closed else "take part. Add some."
            said.append(f"Each case shall have {study.plan.overlap} raters, and {sitting} {then}")
        if answers.failed:
            said.append(
                f"{len(answers.failed)} pairs have an answer that failed; they are left out unless generating "
                "again mends them."
            )
        cut = sum(one.answer.finish is Finish.LENGTH for one in there)
        if cut:
            said.append(f"{cut} answers were cut off at the token budget. Raise it, or report them apart.")
        for arm in ARMS:
            mine = [one for one in there if one.arm is arm and one.usable]
            other = [one for one in there if one.arm is arm.other and one.usable]
            if mine and not any(one.answer.thinking.strip() for one in mine):
                if any(one.answer.thinking.strip() for one in other):
                    said.append("One model never thinks aloud and the other does, so blinding cannot hold.")
        said += plan_words(study.plan)
        return (*said, *overlap_words(self.overlaps(study.plan), len(study.plan.cases)))


def plan_words(plan: StudyPlan) -> tuple[str, ...]:
    """What the number of cases can show, and whether there are controls."""
    cases = plan.planned_cases or len(plan.study_cases)
    said = []
    if 0 < cases < FEW_FOR_TEST:
        said.append(
            f"With {cases} cases there will be estimates and no p-value: the smallest possible is "
            f"{smallest_p(cases):.3f}. Plan at least {FEW_FOR_TEST}."
        )
    elif cases:
        found = detectable_probability(cases, family=FAMILY)
        reach = (
            f"find a difference on one of three axes (80 % power, corrected for three) where the fine-tuned model "
            f"is better in {100 * found:.0f} % of them."
            if found
            else "are too few to find even a model that is better in every case (80 % power, corrected for three)."
        )
        said.append(f"{cases} cases {reach}")
    needed = ", ".join(
        f"{cases_needed(effect, family=FAMILY)} if it is better in {100 * effect:.0f} %" for effect in EFFECTS
    )
    said.append(f"Cases needed, ties left out: {needed}.")
    controls = len(plan.cases) - len(plan.study_cases)
    if plan.cases and not controls:
        said.append(
            f"There are no control cases. {100 * GOLD_LEAST:.0f} to {100 * GOLD_MOST:.0f} % (same model on both "
            "sides, planted error, false premise) show how careful the ratings are."
        )
    return tuple(said)


def overlap_words(overlaps: Sequence[CaseOverlap] | None, cases: int) -> tuple[str, ...]:
    if not cases:
        return ()
    if overlaps is None:
        return ("Whether the adapter has learned from these cases is not known: it keeps no record of its rows.",)
    if not overlaps:
        return ()
    named = ", ".join(one.case_id for one in overlaps[:3]) + ("…" if len(overlaps) > 3 else "")
    alike = fmean(one.similarity for one in overlaps)
    return (
        f"{len(overlaps)} of {cases} cases are like training rows of the adapter (similarity {alike:.2f} on "
        f"average): {named}. What it says there shows memory, not reasoning.",
    )
