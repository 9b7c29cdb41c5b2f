"""A collection's records as the data of a pack, so that page, pack and tables compute from one value."""

from collections.abc import Iterable, Iterator, Mapping

from medreason import __version__
from medreason.domain.arms import ARMS
from medreason.domain.pack import PackData, StudyFacts
from medreason.domain.study import StudyState
from medreason.services.collections import Records
from medreason.services.pack_rows import Row, pack_data
from medreason.services.study_watch import CLOSED, UNBLINDED
from medreason.text.markers import format_of

STATEMENTS = ("ethics", "consent")


def pack_of(records: Records) -> PackData:
    """Arms are those of the records: X and Y until the study is unblinded. Practice is left out."""
    forms = _forms(records.generations)
    answered = {
        (str(row["presentation_id"]), str(row["side"])): str(row["generation_id"]) for row in records.ratings
    }
    return pack_data(
        _facts(records),
        cases=records.cases,
        generations=[row | {"case_id": row.get("case_id") or ""} for row in map(dict, records.generations)],
        ratings=records.ratings,
        pairs=[_with_forms(row, answered, forms) for row in records.pairs],
        spans=records.spans,
        events=records.events,
        planted=_planted(records.generations),
        adjudications=records.adjudications,
    )


def _facts(records: Records) -> StudyFacts:
    study, collection = records.study, records.collection
    schedules = study.get("schedules")
    sealed = schedules[-1]["sha256"] if isinstance(schedules, list) and schedules else ""
    closed = next((str(row["at"]) for row in reversed(records.events) if row["action"] == CLOSED), "")
    looks = [row for row in records.events if row["action"] == UNBLINDED]
    first_look = str(looks[0]["at"]) if looks else ""
    return StudyFacts(
        study_id=collection.id,
        title=collection.title,
        mode=collection.mode,
        instrument=str(study.get("instrument", "essential")),
        primary=str(study.get("primary") or ""),
        plan_sha256=str(study.get("plan_sha256") or ""),
        state=str(collection.state),
        unblinded=not records.blinded,
        planned_cases=_number(study.get("planned_cases")),
        planned_raters=_number(study.get("overlap")),
        seed=None if records.blinded else _number(study.get("seed")),
        schedule_hash=sealed,
        interim_looks=len(looks),
        created_at=str(study.get("created_at") or ""),
        closed_at=closed if collection.state is StudyState.CLOSED else "",
        unblinded_at=first_look or (closed if not records.blinded else ""),
        app_version=__version__,
        statements={name: str(study[name]) for name in STATEMENTS if study.get(name)},
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _planted(generations: Iterable[Row]) -> Iterator[Row]:
    """Every error planted in a control that was shown; while blind it is told to nobody."""
    for row in generations:
        spans = row.get("known_spans")
        if isinstance(spans, list) and row.get("arm") in list(ARMS):
            for number, span in enumerate(spans, 1):
                yield {"case_id": row["case_id"], "error_no": number, "arm": row["arm"], **span}


def _forms(generations: Iterable[Row]) -> dict[str, Row]:
    """Headers, lists and bold passages of each answer, by its id."""
    found: dict[str, Row] = {}
    for row in generations:
        form = format_of(str(row.get("answer_text") or ""))
        found[str(row["generation_id"])] = {"headers": form.headers, "lists": form.lists, "bold": form.bold}
    return found


def _with_forms(pair: Row, answered: Mapping[tuple[str, str], str], forms: Mapping[str, Row]) -> Row:
    """Where lengths may be told, how both answers are laid out may be told too."""
    if pair.get("len_tokens_left") is None:
        return {**pair, "presentation_id": pair["pair_id"]}
    laid_out = {
        f"{name}_{side}": value
        for side in ("left", "right")
        for name, value in forms.get(answered.get((str(pair["pair_id"]), side), ""), {}).items()
    }
    return {**pair, **laid_out, "presentation_id": pair["pair_id"]}
