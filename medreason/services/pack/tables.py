"""The plain tables of a pack, and each of them as CSV, JSONL and Parquet."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medreason.domain.pack import PackData
from medreason.domain.pack_columns import (
    ADJUDICATIONS,
    CASES,
    EVENTS,
    GENERATIONS,
    PAIRS,
    RATINGS,
    SPANS,
    Column,
)
from medreason.services.export import csv_bytes, jsonl_bytes

Record = Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """One table: the name of its file without ending, its columns, one mapping a row, and the columns that
    tell its rows apart."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[Record]
    key: tuple[str, ...] = ()
    lines: bool = False

    @property
    def file(self) -> str:
        return f"{self.name}.{'jsonl' if self.lines else 'csv'}"

    def content(self) -> bytes:
        """As the pack holds it: CSV safe in a spreadsheet, or JSONL with every value as it is."""
        names = [column.name for column in self.columns]
        return jsonl_bytes(names, self.rows) if self.lines else csv_bytes(names, self.rows)


def tables(data: PackData) -> tuple[Table, ...]:
    """Cases, answers, ratings, comparisons, marks, settled values and events, in this order."""
    return (
        Table("cases", CASES, _rows(CASES, data.cases), ("case_id",)),
        Table("generations", GENERATIONS, _rows(GENERATIONS, data.generations), ("generation_id",), lines=True),
        Table("ratings_long", RATINGS, _rows(RATINGS, data.ratings)),
        Table("pairs", PAIRS, _rows(PAIRS, data.pairs)),
        Table("spans", SPANS, _rows(SPANS, data.spans), ("span_id",)),
        Table("adjudications", ADJUDICATIONS, _rows(ADJUDICATIONS, data.adjudications)),
        Table("events", EVENTS, _rows(EVENTS, data.events), ("event_id",), lines=True),
    )


def parquet_bytes(table: Table) -> bytes:
    """Typed, every text as it is; objects as JSON text."""
    import json

    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    kinds = {
        "whole": pyarrow.int64(),
        "number": pyarrow.float64(),
        "yes_no": pyarrow.bool_(),
    }
    arrays = []
    for column in table.columns:
        values = [row[column.name] for row in table.rows]
        if column.kind == "object":
            values = [
                None if one is None else json.dumps(one, ensure_ascii=False, sort_keys=True) for one in values
            ]
        arrays.append(pyarrow.array(values, kinds.get(column.kind, pyarrow.string())))
    made = io.BytesIO()
    parquet.write_table(pyarrow.table(arrays, names=[column.name for column in table.columns]), made)
    return made.getvalue()


def _rows(columns: Sequence[Column], rows: Sequence[object]) -> list[Record]:
    """An empty text is "not available" in every format alike."""
    names = [column.name for column in columns]
    return [{name: None if (value := getattr(row, name)) == "" else value for name in names} for row in rows]
