"""Records as files: CSV for spreadsheets, guarded against formulas, and JSONL without any change.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` (also behind a tab or line break) as a
formula. In CSV such a text gets one `'` in front, and so does a text that begins with `'` itself; taking
one leading `'` away gives every text back. Numbers are left alone. JSONL holds the texts as they were.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence

GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
Record = Mapping[str, object]


def guard(text: str) -> str:
    return f"'{text}" if text.startswith(GUARDED) else text


def unguard(cell: str) -> str:
    return cell.removeprefix("'")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return guard(value) if isinstance(value, str) else str(value)


def csv_bytes(columns: Sequence[str], records: Sequence[Record]) -> bytes:
    """RFC 4180 in UTF-8 with a header; an empty cell where there is no value."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(record[column]) for column in columns] for record in records)
    return file.getvalue().encode("utf-8")


def jsonl_bytes(columns: Sequence[str], records: Sequence[Record]) -> bytes:
    """One object a line in UTF-8, null where there is no value."""
    lines = (
        json.dumps({column: record[column] for column in columns}, ensure_ascii=False, allow_nan=False)
        for record in records
    )
    return "".join(f"{line}\n" for line in lines).encode("utf-8")
