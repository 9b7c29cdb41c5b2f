"""A study's plan and the form that makes it: field values to plan, and back. Pure.

Cases come from the embedded deck by specialty and from files; those from files stay in the draft, so the form only
says whether they are kept. Same-model controls are cases of the deck that show two answers of one model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from medreason.domain.case import Case, CaseKind
from medreason.domain.items import Instrument
from medreason.domain.sampling import Sampling
from medreason.domain.study import StudyPlan


@dataclass
class PlanForm:
    """What the form holds, field by field, in the order in which it goes to and fro."""

    name: str = ""
    title: str = ""
    specialties: Sequence[str] = ()
    most_cases: float = 0
    same_arm: float = 0
    keep_files: bool = True
    adapter: str = ""
    instrument: str = str(Instrument.ESSENTIAL)
    own_answer: bool = False
    answers_per_case: float = 1
    ethics: str = ""
    consent: str = ""
    raters: str = ""
    overlap: float = 3
    repeat_percent: float = 10
    primary: str = "D"
    planned_cases: float = 0
    seed: float = 42


NAMES = tuple(field.name for field in fields(PlanForm))


def read(values: Sequence[Any]) -> PlanForm:
    """The form from the values of its components; what was left empty keeps its default."""
    given = {name: value for name, value in zip(NAMES, values, strict=True) if value is not None}
    return PlanForm(**given)


def plan_of(
    form: PlanForm, deck: Sequence[Case], kept: StudyPlan | None, sampling: Sampling, system_prompt: str = ""
) -> StudyPlan:
    """The plan that a form says; raises `Invalid` with every fault. `kept` is the draft of that name, if any."""
    from_files = kept.cases if kept is not None and form.keep_files else ()
    ids = {case.case_id for case in deck}
    cases = (*chosen(form, deck), *(case for case in from_files if case.case_id not in ids))
    planted = {case.case_id for case in cases if case.kind is CaseKind.PLANTED_ERROR}
    return StudyPlan(
        name=form.name.strip(),
        title=form.title.strip(),
        cases=cases,
        base_model=kept.base_model if kept else "",
        adapter=form.adapter or "",
        system_prompt=system_prompt,
        sampling=sampling,
        answers_per_case=_whole(form.answers_per_case),
        instrument=Instrument(form.instrument),
        own_answer=bool(form.own_answer),
        ethics=form.ethics.strip(),
        consent=form.consent.strip(),
        raters=tuple(line.strip() for line in form.raters.splitlines() if line.strip()),
        overlap=_whole(form.overlap),
        repeat_share=form.repeat_percent / 100,
        planted=tuple(one for one in kept.planted if one.case_id in planted) if kept else (),
        primary=form.primary,
        planned_cases=_whole(form.planned_cases),
        seed=_whole(form.seed),
    )


def chosen(form: PlanForm, deck: Sequence[Case]) -> tuple[Case, ...]:
    """Cases of the deck: in turn from each chosen specialty, at most so many, the last ones as controls."""
    by_specialty = [[case for case in deck if case.specialty == one] for one in form.specialties]
    turns = [
        group[at]
        for at in range(max(map(len, by_specialty), default=0))
        for group in by_specialty
        if at < len(group)
    ]
    most, controls = _whole(form.most_cases), max(0, _whole(form.same_arm))
    taken = turns[:most] if most > 0 else turns
    ordinary = len(taken) - min(controls, len(taken))
    return tuple(case if at < ordinary else replace(case, kind=CaseKind.SAME_ARM) for at, case in enumerate(taken))


def form_of(plan: StudyPlan, deck: Sequence[Case]) -> PlanForm:
    """The form that makes this plan again."""
    ids = {case.case_id: case for case in deck}
    mine = [case for case in plan.cases if case.case_id in ids]
    specialties = list(dict.fromkeys(case.specialty for case in mine))
    whole = sum(case.specialty in specialties for case in deck) == len(mine)
    return PlanForm(
        name=plan.name,
        title=plan.title,
        specialties=specialties,
        most_cases=0 if whole else len(mine),
        same_arm=sum(case.kind is CaseKind.SAME_ARM for case in mine),
        adapter=plan.adapter,
        instrument=str(plan.instrument),
        own_answer=plan.own_answer,
        answers_per_case=plan.answers_per_case,
        ethics=plan.ethics,
        consent=plan.consent,
        raters="\n".join(plan.raters),
        overlap=plan.overlap,
        repeat_percent=round(100 * plan.repeat_share, 1),
        primary=plan.primary,
        planned_cases=plan.planned_cases,
        seed=plan.seed,
    )


def specialties(deck: Sequence[Case]) -> list[tuple[str, str]]:
    """Each specialty of the deck with how many cases it has."""
    counts: Mapping[str, int] = {one: sum(c.specialty == one for c in deck) for one in {c.specialty for c in deck}}
    return [(f"{one} ({counts[one]})", one) for one in sorted(counts)]


def _whole(value: float) -> Any:
    """A whole number where nothing is lost, else the value as it is, for the plan's check to refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
