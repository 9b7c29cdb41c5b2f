"""What an export says of the study itself: its plan, its schedules, and its deeds from the audit."""

from dataclasses import asdict

from medreason.services.records import Names, Row, place_name
from medreason.services.scheduling import letters
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore


def study_row(store: StudyStore, study: StoredStudy, names: Names) -> Row:
    """The study's facts. Models, and what the draw can be repeated with, only where the arms are told."""
    plan, schedules = study.plan, store.showings.schedules(study.id)
    row: Row = {
        "study_id": study.name,
        "title": plan.shown_title,
        "state": str(study.state),
        "mode": "confirmatory",
        "instrument": str(plan.instrument),
        "primary": plan.primary,
        "planned_cases": plan.planned_cases or len(plan.study_cases),
        "answers_per_case": plan.answers_per_case,
        "overlap": plan.overlap,
        "repeat_share": plan.repeat_share,
        "own_answer": plan.own_answer,
        "seed": plan.seed,
        "ethics": plan.ethics,
        "consent": plan.consent,
        "plan_sha256": study.plan_sha256,
        "created_at": study.created_at,
        "schedules": [{"number": one.number, "sha256": one.sha256, "at": one.created_at} for one in schedules],
        "arms": "true" if names.told else "X and Y",
    }
    if names.told:
        row |= {
            "base_model": place_name(plan.base_model),
            "adapter": plan.adapter,
            "system_prompt": plan.system_prompt,
            "sampling": asdict(plan.sampling),
            "letters": {letter: str(arm) for arm, letter in letters(study).items()},
            "secret": study.secret,
            "schedule_bodies": [one.body for one in schedules],
        }
    return row


def event_rows(store: StudyStore, study: StoredStudy) -> tuple[Row, ...]:
    """Every deed about the study or one of its showings, in order."""
    showings = {f"showing:{one.id}" for one in store.showings.of_study(study.id)}
    return tuple(
        {
            "event_id": one.id,
            "at": one.at,
            "who": one.actor,
            "action": one.action,
            "object": one.object,
            "content_sha256": one.content_sha256,
            "reason": one.reason,
            "sha256": one.sha256,
        }
        for one in store.audit.entries()
        if one.object == study.object or one.object.partition("/")[0] in showings
    )
