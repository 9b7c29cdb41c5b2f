"""Reads the lines of a JSONL file or the rows of a CSV file into dictionaries, numbered as an editor shows them.

Knows nothing of columns beyond their names; who calls it says what a record must hold.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from medreason.errors import MedReasonError

LARGEST_FILE_BYTES = 2 * 1024**3
FAULTS_SHOWN = 5


class Record(NamedTuple):
    """One row: its line number in the file (the header of a CSV is line 1) and its values by column."""

    line: int
    values: dict[str, object]


def read_text(path: Path) -> str:
    """The file as text. UTF-8, with or without a byte-order mark; anything else is refused by line."""
    try:
        if not path.is_file():
            raise MedReasonError(f"The file {path} does not exist. Check its name and folder.")
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise MedReasonError(f"The file {path} is larger than 2 GB. Split it into smaller files.")
        content = path.read_bytes()
    except OSError as fault:
        raise MedReasonError(
            f"The file {path} cannot be read ({fault.strerror}). Check its permissions."
        ) from fault
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise MedReasonError(
            f"The file {path.name} is not UTF-8 text (line {line}). Save it as UTF-8 and try again."
        ) from fault


def read_jsonl(path: Path) -> tuple[list[Record], list[str]]:
    """One JSON object a line, blank lines left out; and the faults found."""
    records, faults = [], []
    # Only "\n" ends a line: splitlines() would also cut at U+2028, which JSON text may hold.
    for line, text in enumerate(read_text(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            faults.append(f"row {line} is not a JSON object on one line")
            continue
        if isinstance(values, dict):
            records.append(Record(line, values))
        else:
            faults.append(f"row {line} is not a JSON object on one line")
    return records, faults


def read_csv(path: Path) -> tuple[list[Record], list[str]]:
    """Rows below a header of column names, comma separated; and the faults found."""
    records: list[Record] = []
    faults: list[str] = []
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if len(set(header)) < len(header):
            faults.append("row 1 names a column twice")
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) > len(header):
                    faults.append(f"row {line} has {len(cells)} cells for {len(header)} columns")
                else:
                    records.append(Record(line, dict(zip(header, cells, strict=False))))
            line = reader.line_num + 1
    except csv.Error as fault:
        faults.append(f"row {reader.line_num} is not a CSV row ({fault})")
    return records, faults


def refuse(path: Path, faults: Sequence[str], remedy: str) -> None:
    """Raise one sentence with the first few faults and the number of the others, if there are any."""
    if not faults:
        return
    shown = "; ".join(faults[:FAULTS_SHOWN])
    more = len(faults) - FAULTS_SHOWN
    rest = f"; and {more:,} more" if more > 0 else ""
    raise MedReasonError(f"The file {path.name} cannot be used: {shown}{rest}. {remedy}")
