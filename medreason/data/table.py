"""Reads the rows of JSONL, JSON, CSV and Parquet files one after the other, numbered as an editor shows them.

Knows nothing of columns beyond their names; who calls it says what a record must hold. A row that cannot be read
is a fault of that row; a file that cannot be read at all is refused in words.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medreason.domain.dataset import RowFault
from medreason.errors import MedReasonError

LARGEST_FILE_BYTES = 2 * 1024**3
LONGEST_LINE_BYTES = 32 * 1024**2
FAULTS_SHOWN = 5
ROWS_AT_ONCE, BYTES_AT_ONCE = 1000, 256 * 1024**2
NOT_UTF8 = "is not UTF-8 text"
NOT_AN_OBJECT = "is not a JSON object on one line"

Hear = Callable[[float], None]


class Record(NamedTuple):
    """One row: its number and its values by column. The number is the line of a JSONL or CSV file (the header of
    a CSV is line 1), else the place of the row, from 1."""

    line: int
    values: dict[str, object]


def size_of(path: Path) -> int:
    """Bytes of a file; refuses one that is missing, no ordinary file, or larger than 2 GB."""
    try:
        if not path.is_file():
            raise MedReasonError(f"The file {path} does not exist. Check its name and folder.")
        size = path.stat().st_size
    except OSError as fault:
        raise unreadable(path, fault) from fault
    if size > LARGEST_FILE_BYTES:
        raise MedReasonError(f"The file {path} is larger than 2 GB. Split it into smaller files.")
    return size


def unreadable(path: Path, fault: OSError) -> MedReasonError:
    return MedReasonError(f"The file {path} cannot be read ({fault.strerror or fault}). Check its permissions.")


def read_text(path: Path) -> str:
    """The file as text. UTF-8, with or without a byte-order mark; anything else is refused by line."""
    size_of(path)
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise unreadable(path, fault) from fault
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise MedReasonError(
            f"The file {path.name} is not UTF-8 text (line {line}). Save it as UTF-8 and try again."
        ) from fault


def jsonl_records(path: Path, hear: Hear | None = None) -> Iterator[Record | RowFault]:
    """One JSON object a line, blank lines left out. `hear` is told the share of the file read so far."""
    size, done = size_of(path), 0
    try:
        with path.open("rb") as file:
            # Only "\n" ends a line: text lines would also be cut at U+2028, which JSON text may hold.
            for number, raw in enumerate(_lines(file), 1):
                done += len(raw)
                if hear and number % ROWS_AT_ONCE == 0:
                    hear(done / size)
                if found := _object_of(number, raw):
                    yield found
    except OSError as fault:
        raise unreadable(path, fault) from fault


def _lines(file: Any) -> Iterator[bytes]:
    """The lines of a file, an over-long one cut there: it is faulty whatever follows."""
    while line := file.readline(LONGEST_LINE_BYTES):
        if len(line) == LONGEST_LINE_BYTES:
            while (rest := file.readline(LONGEST_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield line


def _object_of(number: int, raw: bytes) -> Record | RowFault | None:
    if len(raw) == LONGEST_LINE_BYTES:
        return RowFault(number, "", f"is longer than {LONGEST_LINE_BYTES // 1024**2} MB")
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        return RowFault(number, "", NOT_UTF8)
    if not text.strip():
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    return Record(number, values) if isinstance(values, dict) else RowFault(number, "", NOT_AN_OBJECT)


def json_records(path: Path, hear: Hear | None = None) -> Iterator[Record | RowFault]:
    """The objects of one JSON array, or of a file that is JSONL in truth."""
    text = read_text(path)
    if text.lstrip()[:1] != "[":
        yield from jsonl_records(path, hear)
        return
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as fault:
        line = f" (line {fault.lineno})" if isinstance(fault, json.JSONDecodeError) else ""
        raise MedReasonError(
            f"The file {path.name} is not valid JSON{line}. Give an array of objects, or one object a line."
        ) from fault
    for number, values in enumerate(rows, 1):
        if isinstance(values, dict):
            yield Record(number, values)
        else:
            yield RowFault(number, "", "is not a JSON object")


def csv_records(path: Path) -> Iterator[Record | RowFault]:
    """Rows below a header of column names, comma separated, in UTF-8."""
    # The reader's own limit would refuse the whole file for one long cell, without naming its column.
    csv.field_size_limit(LARGEST_FILE_BYTES)
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        named = [name for name in header if name]
        if len(set(named)) < len(named):
            refuse(f"The file {path.name}", ["row 1 names a column twice"], "Give each column its own name.")
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) > len(header):
                    yield RowFault(line, "", f"has {len(cells)} cells for {len(header)} columns")
                else:
                    yield Record(line, dict(zip(header, cells, strict=False)))
            line = reader.line_num + 1
    except csv.Error as fault:
        yield RowFault(reader.line_num, "", f"is not a CSV row ({fault})")


def parquet_records(path: Path, hear: Hear | None = None) -> Iterator[Record | RowFault]:
    """The rows of a Parquet file, a thousand in memory at a time, or fewer where its cells may be large. Refuses a
    file that unpacks to more than a file may have: a few kilobytes can say one long text a million times."""
    size_of(path)
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            total, number, unpacked = max(1, file.metadata.num_rows), 0, 0
            for batch in file.iter_batches(batch_size=_rows_at_once(file.metadata, path.name)):
                cells = [_cells(column) for column in batch.columns]
                unpacked += sum(len(cell) for column in cells for cell in column if isinstance(cell, str | bytes))
                if max(unpacked, batch.nbytes) > LARGEST_FILE_BYTES:
                    raise _too_large(path.name)
                for values in zip(*cells, strict=True):
                    number += 1
                    yield Record(number, dict(zip(batch.schema.names, values, strict=True)))
                if hear:
                    hear(number / total)
    except OSError as fault:
        raise MedReasonError(
            f"The file {path.name} is not a whole Parquet file. Write or download it again."
        ) from fault
    except pyarrow.ArrowException as fault:
        raise MedReasonError(
            f"The file {path.name} is not a Parquet file that can be read. Write or download it again."
        ) from fault


def _rows_at_once(metadata: Any, name: str) -> int:
    """So many that they fit into memory, even if each cell were all that its column holds unpacked."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if sum(one.total_byte_size for one in groups) > LARGEST_FILE_BYTES:
        raise _too_large(name)
    columns = [one.column(place) for one in groups for place in range(one.num_columns)]
    largest = max((one.total_uncompressed_size for one in columns), default=0)
    return max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // max(1, largest)))


def _too_large(name: str) -> MedReasonError:
    return MedReasonError(f"The file {name} unpacks to more than 2 GB. Split it into smaller files.")


def _cells(column: Any) -> list[object]:
    try:
        return column.to_pylist()
    except UnicodeDecodeError:  # one bad cell would lose the other rows: read them one by one
        return [_cell(one) for one in column]


def _cell(value: Any) -> object:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return value.as_buffer().to_pybytes()


def read_jsonl(path: Path) -> tuple[list[Record], list[RowFault]]:
    """All records of a JSONL file; and the faults found."""
    return _apart(jsonl_records(path))


def read_csv(path: Path) -> tuple[list[Record], list[RowFault]]:
    """All records of a CSV file; and the faults found."""
    return _apart(csv_records(path))


def _apart(entries: Iterable[Record | RowFault]) -> tuple[list[Record], list[RowFault]]:
    records: list[Record] = []
    faults: list[RowFault] = []
    for one in entries:
        records.append(one) if isinstance(one, Record) else faults.append(one)
    return records, faults


def refuse(name: str, faults: Sequence[object], remedy: str, count: int = 0) -> None:
    """Raise one sentence with the first few faults and the number of the others, if there are any. `count` is
    the number of all faults where not all are at hand."""
    if not faults:
        return
    shown = "; ".join(str(fault) for fault in faults[:FAULTS_SHOWN])
    more = max(count, len(faults)) - min(len(faults), FAULTS_SHOWN)
    rest = f"; and {more:,} more" if more > 0 else ""
    raise MedReasonError(f"{name} cannot be used: {shown}{rest}. {remedy}")
