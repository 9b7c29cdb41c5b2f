"""Records as files: CSV for spreadsheets, guarded against formulas (`data/cells`), and JSONL as it is."""

import csv
import io
import json
from collections.abc import Mapping, Sequence

from medreason.data.cells import cell, guard, unguard

__all__ = ["Record", "csv_bytes", "guard", "jsonl_bytes", "unguard"]

Record = Mapping[str, object]


def csv_bytes(columns: Sequence[str], records: Sequence[Record]) -> bytes:
    """RFC 4180 in UTF-8 with a header; an empty cell where there is no value."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(record[column]) for column in columns] for record in records)
    return file.getvalue().encode("utf-8")


def jsonl_bytes(columns: Sequence[str], records: Sequence[Record]) -> bytes:
    """One object a line in UTF-8, null where there is no value."""
    lines = (
        json.dumps({column: record[column] for column in columns}, ensure_ascii=False, allow_nan=False)
        for record in records
    )
    return "".join(f"{line}\n" for line in lines).encode("utf-8")
