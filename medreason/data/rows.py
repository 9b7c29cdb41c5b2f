"""Reads training rows: a question, the thinking that leads to the answer, and the answer.

The columns are those of the medical-o1 reasoning data: Question, Complex_CoT, Response; `specialty` and
`source` may be there. Knows nothing of templates or tokens.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from medreason.data.table import Record, read_jsonl, refuse
from medreason.domain.checks import Checks

COLUMNS = {"Question": "question", "Complex_CoT": "thinking", "Response": "response"}
LONGEST_CELL = 1_000_000


@dataclass(frozen=True)
class Row:
    """One teaching example."""

    question: str
    thinking: str
    response: str
    specialty: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        checks = Checks()
        for name in ("question", "thinking", "response"):
            checks.text(name, getattr(self, name), LONGEST_CELL)
        for name in ("specialty", "source"):
            checks.text(name, getattr(self, name), 1000, empty_ok=True)
        checks.done()


def load_rows(path: Path) -> tuple[Row, ...]:
    """All rows of a JSONL file. Every faulty row is named with its column; nothing is skipped silently."""
    records, faults = read_jsonl(path)
    missing = [name for name in COLUMNS if records and not any(name in one.values for one in records)]
    if missing:
        found = ", ".join(str(name)[:60] for name in list(records[0].values)[:8]) or "none"
        names = ", ".join(missing)
        faults.insert(0, f"it has no column {names} (row {records[0].line} has: {found})")
        records = []
    rows = [row for record in records if (row := _row(record, faults)) is not None]
    if not rows and not faults:
        faults.append("it holds no rows")
    refuse(path, faults, "Each line needs Question, Complex_CoT and Response as texts that are not empty.")
    return tuple(rows)


def _row(record: Record, faults: list[str]) -> Row | None:
    """The row of one line, or None with what is wrong added to `faults`."""
    texts: dict[str, str] = {}
    before = len(faults)
    for column, name in (*COLUMNS.items(), ("specialty", "specialty"), ("source", "source")):
        required = column in COLUMNS
        if column not in record.values and required:
            faults.append(f"row {record.line} has no column {column}")
            continue
        given = record.values.get(column)
        if given is None and not required:
            given = ""
        checks = Checks()
        if not checks.text(name, given, LONGEST_CELL if required else 1000, empty_ok=not required):
            kind = "" if isinstance(given, str) else f" (it is {type(given).__name__})"
            faults.append(f"row {record.line}, column {column}: {checks.faults[0].remedy}{kind}")
        elif isinstance(given, str):
            texts[name] = given.strip()
    return Row(**texts) if len(faults) == before else None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
