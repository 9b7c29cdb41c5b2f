"""What a judgement consists of: values, marks and preferences, each in a table of its own.

The source that was typed for a mark stands with the other typed texts, so that it can be taken out.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select
from sqlalchemy import Row as Kept
from sqlalchemy.sql.selectable import SelectBase

from medreason.domain.arms import Side
from medreason.domain.judgement import Given, Judgement, Preferred
from medreason.domain.span import Basis, Span, SpanType, Target
from medreason.storage import texts
from medreason.storage.study_tables import given, preferences, spans

Row = dict[str, object]


@dataclass(frozen=True)
class KeptMark:
    """A mark with its number in the store and that of its typed source, None where none was typed."""

    id: int
    span: Span
    note_id: int | None


@dataclass
class Parts:
    given: list[Given] = field(default_factory=list)
    marks: list[KeptMark] = field(default_factory=list)
    preferred: list[Preferred] = field(default_factory=list)


def keep_parts(connection: Connection, judgement_id: int, judgement: Judgement) -> None:
    """In the caller's transaction."""
    values: list[Row] = [{"side": str(one.side), "item": one.item, "value": one.value} for one in judgement.given]
    wishes: list[Row] = [{"axis": one.on, "value": one.value} for one in judgement.preferred]
    marks = [_mark(connection, number, span) for number, span in enumerate(judgement.spans, 1)]
    for table, rows in ((given, values), (spans, marks), (preferences, wishes)):
        if rows:
            connection.execute(insert(table), [{"judgement_id": judgement_id, **row} for row in rows])


def _mark(connection: Connection, number: int, span: Span) -> Row:
    note = texts.keep(connection, span.source_note)
    return {
        "number": number,
        "side": str(span.side),
        "target": str(span.target),
        "start": span.start,
        "end": span.end,
        "quote": span.quote,
        "text_sha256": span.text_sha256,
        "type": str(span.type),
        "severity": span.severity,
        "basis": str(span.basis),
        "source_note": "",
        "source_note_id": note.id if note else None,
    }


def read_parts(connection: Connection, wanted: SelectBase) -> Mapping[int, Parts]:
    """Of the judgements whose numbers `wanted` selects, by number, each in the order of giving."""
    found: dict[int, Parts] = defaultdict(Parts)
    for row in connection.execute(select(given).where(given.c.judgement_id.in_(wanted)).order_by(given.c.id)):
        found[row.judgement_id].given.append(Given(Side(row.side), row.item, row.value))
    marks = connection.execute(select(spans).where(spans.c.judgement_id.in_(wanted)).order_by(spans.c.id)).all()
    words = texts.read(connection, {row.source_note_id for row in marks if row.source_note_id})
    for row in marks:
        note = words[row.source_note_id] if row.source_note_id else row.source_note
        found[row.judgement_id].marks.append(KeptMark(row.id, _span(row, note), row.source_note_id))
    query = select(preferences).where(preferences.c.judgement_id.in_(wanted)).order_by(preferences.c.id)
    for row in connection.execute(query):
        found[row.judgement_id].preferred.append(Preferred(row.axis, row.value))
    return found


def _span(row: Kept, note: str) -> Span:
    return Span(
        side=Side(row.side),
        target=Target(row.target),
        start=row.start,
        end=row.end,
        quote=row.quote,
        text_sha256=row.text_sha256,
        type=SpanType(row.type),
        severity=row.severity,
        basis=Basis(row.basis),
        source_note=note,
    )
