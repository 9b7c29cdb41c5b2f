"""A pack's data from plain rows, one mapping a row with the names of the columns, wherever they come from.

Further names are left out, missing ones have their default. Rows may be blinded already (arms X and Y).
"""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, TypeVar

from medreason.domain.pack import (
    AdjudicationRow,
    CaseRow,
    EventRow,
    GenerationRow,
    PackData,
    PairRow,
    PlantedRow,
    RatingRow,
    SpanRow,
    StudyFacts,
)

Row = Mapping[str, object]
Made = TypeVar("Made")


def pack_data(
    study: StudyFacts,
    cases: Iterable[Row] = (),
    generations: Iterable[Row] = (),
    ratings: Iterable[Row] = (),
    pairs: Iterable[Row] = (),
    spans: Iterable[Row] = (),
    events: Iterable[Row] = (),
    planted: Iterable[Row] = (),
    adjudications: Iterable[Row] = (),
) -> PackData:
    """A comment that stands on the ratings goes to the comparison of the same submission (`rating_id`), or of the
    same showing. Marks of an earlier revision and of practice are left out: only those that stand are counted."""
    ratings, pairs = list(ratings), list(pairs)
    comments = {str(row["rating_id"]): str(row["comment"]) for row in ratings if row.get("comment")}
    compared = []
    for row in pairs:
        own = dict(row)
        if own.get("axis", "overall") == "overall" and not own.get("comment"):
            own["comment"] = comments.get(str(own.get("rating_id", "")), "")
        compared.append(own)
    return PackData(
        study=study,
        cases=tuple(_row(CaseRow, _flat(row)) for row in cases),
        generations=tuple(_row(GenerationRow, row) for row in generations),
        ratings=tuple(_row(RatingRow, row) for row in ratings),
        pairs=tuple(_row(PairRow, row) for row in compared),
        spans=tuple(
            _row(SpanRow, row) for row in spans if not row.get("superseded") and row.get("mode") != "training"
        ),
        events=tuple(_row(EventRow, _event(row)) for row in events),
        planted=tuple(_row(PlantedRow, row) for row in planted),
        adjudications=tuple(_row(AdjudicationRow, row) for row in adjudications),
    )


def _row(kind: type[Made], row: Row) -> Made:
    """None, where the field is a text or has a default of its own, is that default."""
    given: dict[str, Any] = {}
    for name, has_default, is_text in _fields(kind):  # type: ignore[arg-type]
        value = row.get(name)
        if value is None and has_default:
            continue
        given[name] = "" if value is None and is_text else value
    return kind(**given)


@cache
def _fields(kind: type) -> tuple[tuple[str, bool, bool], ...]:
    """Name, whether it has a default, and whether it is a text. Looked up once: there are thousands of rows."""
    return tuple((one.name, one.default is not MISSING, one.type is str) for one in fields(kind))


def _flat(row: Row) -> Row:
    strings = row.get("must_contain")
    return {**row, "must_contain": ";".join(map(str, strings))} if isinstance(strings, list | tuple) else row


def _event(row: Row) -> Row:
    """The record's own words, and what else it says as details."""
    known = {"event_id", "at", "actor", "who", "action", "subject", "object", "details"}
    rest = {name: value for name, value in row.items() if name not in known and value not in (None, "")}
    details = row.get("details") or rest or None
    return {
        "event_id": str(row["event_id"]),
        "at": row["at"],
        "actor": row.get("actor") or row.get("who") or "",
        "action": row["action"],
        "subject": row.get("subject") or row.get("object") or "",
        "details": details,
    }
