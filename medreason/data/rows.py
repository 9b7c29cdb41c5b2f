"""Training rows: a question, the thinking that leads to the answer, and the answer; checked cell by cell.

The columns are those of the medical-o1 reasoning data: Question, Complex_CoT, Response; `specialty` and
`source` may be there. Knows nothing of files' formats, templates or tokens.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from medreason.data.table import NOT_UTF8, Record, jsonl_records, refuse
from medreason.domain.checks import UNSTORABLE, Checks
from medreason.domain.dataset import COLUMNS, Column, RowFault
from medreason.errors import MedReasonError

FIELDS = dict(zip(COLUMNS, ("question", "thinking", "response"), strict=True))
OPTIONAL = ("specialty", "source")
ID_COLUMNS = frozenset({"id", "_id", "row_id", "case_id", "uid", "uuid"})
LONGEST_CELL = 100_000
LONGEST_OPTIONAL = 1000
MOST_ROWS = 1_000_000
FAULTS_KEPT = 1000
EXAMPLE_ROWS = 50
REMEDY = f"Each row needs {COLUMNS[0]}, {COLUMNS[1]} and {COLUMNS[2]} as texts that are not empty."


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
        for name in OPTIONAL:
            checks.text(name, getattr(self, name), LONGEST_OPTIONAL, empty_ok=True)
        checks.done()

    @property
    def texts(self) -> tuple[str, str, str]:
        """Question, thinking and response."""
        return self.question, self.thinking, self.response

    def as_record(self) -> dict[str, str]:
        """The row by its columns; the optional ones only where they say something."""
        required = {column: getattr(self, field) for column, field in FIELDS.items()}
        return required | {name: getattr(self, name) for name in OPTIONAL if getattr(self, name)}


class Gathered(NamedTuple):
    """Rows without fault, the first thousand faults, the columns as found, and how many rows were read."""

    rows: tuple[Row, ...]
    faults: tuple[RowFault, ...]
    columns: tuple[Column, ...]
    read: int


def gather(entries: Iterable[Record | RowFault], names: Mapping[str, str] | None = None) -> Gathered:
    """Check row after row. `names` maps a column of COLUMNS to what it is called there, where that differs.
    A column that no row has is one fault, and then there are no rows."""
    called = {column: (names or {}).get(column) or column for column in COLUMNS}
    rows: list[Row] = []
    faults: list[RowFault] = []
    seen: set[str] = set()
    ids: dict[tuple[str, str], int] = {}
    first: list[Record] = []
    read = 0
    for entry in entries:
        read += 1
        if read > MOST_ROWS:
            raise MedReasonError(f"There are more than {MOST_ROWS:,} rows. Split the data and take a part of it.")
        if isinstance(entry, RowFault):
            found: Row | list[RowFault] = [entry]
        else:
            seen.update(column for column in COLUMNS if called[column] in entry.values)
            if len(first) < EXAMPLE_ROWS:
                first.append(entry)
            found = _row(entry, called, ids)
        if isinstance(found, Row):
            rows.append(found)
        else:
            faults.extend(found[: FAULTS_KEPT - len(faults)])
    missing = [column for column in COLUMNS if column not in seen] if first else []
    if missing:
        there = ", ".join(str(name)[:60] for name in list(first[0].values)[:8]) or "none"
        words = f"is in no row (the columns are: {there})"
        faults, rows = [RowFault(first[0].line, called[column], words) for column in missing], []
    return Gathered(tuple(rows), tuple(faults), _columns(first), read)


def load_rows(path: Path) -> tuple[Row, ...]:
    """All rows of a JSONL file. Every faulty row is named with its column; nothing is skipped silently."""
    found = gather(jsonl_records(path))
    if not found.read:
        raise MedReasonError(f"The file {path.name} cannot be used: it holds no rows. {REMEDY}")
    refuse_faulty(f"The file {path.name}", found.faults, found.read - len(found.rows), REMEDY)
    return found.rows


def refuse_faulty(name: str, faults: Sequence[RowFault], faulty_rows: int, remedy: str) -> None:
    """Raise one sentence that names the first faults, if there are any. Of more faults than are kept only the
    number of faulty rows is known."""
    refuse(name, faults, remedy, count=faulty_rows if len(faults) >= FAULTS_KEPT else 0)


def _row(record: Record, called: Mapping[str, str], ids: dict[tuple[str, str], int]) -> Row | list[RowFault]:
    """The row of one record, or what is wrong with it. `ids` remembers the row of each id seen."""
    faults: list[RowFault] = []
    texts: dict[str, str] = {}
    for column, field in FIELDS.items():
        name = called[column]
        value = record.values.get(name)
        if words := "is missing" if name not in record.values else _wrong(value):
            faults.append(RowFault(record.line, name, words))
        else:
            texts[field] = str(value).strip()
    for name in OPTIONAL:
        value = record.values.get(name)
        # Other data may use these names for something else, which is not a fault of its rows.
        texts[name] = value.strip() if isinstance(value, str) else ""
        if len(texts[name]) > LONGEST_OPTIONAL or UNSTORABLE.search(texts[name]):
            texts[name] = ""
    for name, value in record.values.items():
        if isinstance(name, str) and name.casefold() in ID_COLUMNS and value not in (None, ""):
            shown = value if isinstance(value, str) else json.dumps(value, default=str)
            earlier = ids.setdefault((name, shown), record.line)
            if earlier != record.line:
                faults.append(RowFault(record.line, name, f"repeats {shown[:60]} of row {earlier}"))
    return faults or Row(**texts)


def _wrong(value: object) -> str:
    """What is wrong with a cell that must hold text, in a few words; empty where nothing is."""
    if isinstance(value, bytes):
        return NOT_UTF8
    if value is None or (isinstance(value, str) and not value.strip()):
        return "is empty"
    if not isinstance(value, str):
        return f"is {kind_of(value)}, not text"
    if len(value) > LONGEST_CELL:
        return f"has {len(value):,} characters, more than {LONGEST_CELL:,}"
    return "holds characters that cannot be stored" if UNSTORABLE.search(value) else ""


def kind_of(value: object) -> str:
    """The type of a cell in a reader's words."""
    if isinstance(value, bool):
        return "yes or no"
    kinds = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object", bytes: "bytes"}
    return "empty" if value is None else kinds.get(type(value), "something else")


def _columns(records: list[Record]) -> tuple[Column, ...]:
    """The columns of the first records: names in order, types in words, and the first cell that holds
    something."""
    kinds: dict[str, list[str]] = {}
    examples: dict[str, str] = {}
    for record in records:
        for name, value in record.values.items():
            kind = kind_of(value)
            known = kinds.setdefault(str(name), [])
            if kind not in known and kind != "empty":
                known.append(kind)
            if value not in (None, "") and str(name) not in examples:
                shown = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
                examples[str(name)] = UNSTORABLE.sub("\ufffd", " ".join(shown[:1000].split()))[:200]
    return tuple(
        Column(name, " or ".join(found) or "empty", examples.get(name, "")) for name, found in kinds.items()
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
