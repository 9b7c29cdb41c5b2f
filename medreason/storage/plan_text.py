"""A study's plan as the text that is kept, and back. Its cases are kept apart, so that a text can be taken out.

Plans and cases never change once made, and are asked for again and again: what was read is kept by its source.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache

from sqlalchemy import Row

from medreason.domain.case import Case, CaseKind
from medreason.domain.items import Instrument
from medreason.domain.planted import Planted, WrongWords
from medreason.domain.sampling import Sampling
from medreason.domain.schedule import sealed
from medreason.domain.span import SpanType, Target
from medreason.domain.study import StudyPlan

PLANS_KEPT, CASES_KEPT = 64, 4_096


def written(plan: StudyPlan) -> tuple[str, str]:
    """The plan without its cases as JSON, and the hash over both. A text with one planted error is written as it
    was before there could be more, so that hashes stay."""
    whole = asdict(plan)
    for one in whole["planted"]:
        if not one["more"]:
            del one["more"]
    text, _ = sealed({name: value for name, value in whole.items() if name != "cases"})
    return text, sealed(whole)[1]


@lru_cache(PLANS_KEPT)
def plan_of(text: str, cases: tuple[Case, ...]) -> StudyPlan:
    values = json.loads(text)
    values |= {
        "sampling": Sampling(**values["sampling"]),
        "instrument": Instrument(values["instrument"]),
        "raters": tuple(values["raters"]),
        "planted": tuple(map(_planted, values["planted"])),
    }
    return StudyPlan(cases=cases, **values)


def case_of(row: Row, text: str) -> Case:
    """`row` is one of the table of a study's cases, `text` the words kept under its number."""
    kept = (row.case_id, text, row.specialty, row.reference_answer, tuple(row.must_contain), row.kind, row.source)
    return _case(*kept)


@lru_cache(CASES_KEPT)
def _case(
    case_id: str, text: str, specialty: str, reference: str, must_contain: Sequence[str], kind: str, source: str
) -> Case:
    return Case(case_id, text, specialty, reference, tuple(must_contain), CaseKind(kind), source)


def _planted(kept: dict) -> Planted:
    more = tuple(WrongWords(**_marked(one)) for one in kept.get("more", ()))
    return Planted(**_marked(kept) | {"more": more})


def _marked(kept: dict) -> dict:
    return {**kept, "target": Target(kept["target"]), "type": SpanType(kept["type"])}
