"""Prepared data on disk: a folder of train.jsonl, eval.jsonl, cases.jsonl, lengths.json and manifest.json.

It is built aside and renamed, so that it is whole or not there. What is read back is checked against the hashes
of the manifest, and every file must be an ordinary file of the folder.
"""

import errno
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from medreason.data.rows import FIELDS, OPTIONAL, Row, sha256_of
from medreason.domain.case import CaseKind
from medreason.domain.conversation import LONGEST_QUESTION
from medreason.domain.dataset import (
    CaseOverlap,
    Lengths,
    Preparation,
    PreparedData,
    RowCounts,
    Source,
    SourceKind,
)
from medreason.domain.training import RUN_NAME
from medreason.errors import MedReasonError

TRAIN_FILE, HELD_OUT_FILE, CASES_FILE = "train.jsonl", "eval.jsonl", "cases.jsonl"
LENGTHS_FILE, MANIFEST_FILE = "lengths.json", "manifest.json"
LARGEST_JSON_BYTES = 256 * 1024**2
BUILDING = ".medreason-building-"
FORGOTTEN_S = 24 * 3600


def is_prepared(path: Path) -> bool:
    """Whether a folder looks like prepared data. Reads nothing."""
    try:
        return not path.is_symlink() and (path / MANIFEST_FILE).is_file() and (path / TRAIN_FILE).is_file()
    except OSError:
        return False


def write_prepared(
    path: Path, data: PreparedData, train: Sequence[Row], held_out: Sequence[Row], lengths: Lengths
) -> PreparedData:
    """Write the folder `path`, whole or not at all; returns `data` with the hashes of the rows' files. `lengths`
    are those of the rows to learn from, then of those held out. Refuses a folder that is there already."""
    refuse_existing(path)
    building: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        building = Path(tempfile.mkdtemp(prefix=BUILDING, dir=path.parent))
        building.chmod(0o755)
        made = replace(
            data,
            sha256_train=_write_lines(building / TRAIN_FILE, (row.as_record() for row in train)),
            sha256_held_out=_write_lines(building / HELD_OUT_FILE, (row.as_record() for row in held_out)),
        )
        _write_lines(building / CASES_FILE, cases_of(held_out))
        _write_lines(building / LENGTHS_FILE, [asdict(lengths)])
        _write_text(building / MANIFEST_FILE, json.dumps(asdict(made), indent=1, ensure_ascii=False) + "\n")
        refuse_existing(path)
        building.rename(path)
        return made
    except OSError as fault:
        if fault.errno in (errno.ENOTEMPTY, errno.EEXIST):
            refuse_existing(path)
        raise MedReasonError(
            f"The prepared data cannot be written to {path} ({fault.strerror or fault}). Make room there, or "
            "choose another folder."
        ) from fault
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)


def refuse_existing(path: Path) -> None:
    if os.path.lexists(path):
        raise MedReasonError(
            f"There is already something named {path.name} in {path.parent}. Choose another name."
        )


def read_prepared(path: Path) -> PreparedData:
    """What the manifest of a folder says. Reads no rows; raises `MedReasonError` where there is no whole
    folder."""
    try:
        for name in (TRAIN_FILE, HELD_OUT_FILE):
            _plain(path / name)
        told = json.loads(_small_text(path / MANIFEST_FILE))
        source = told["source"]
        return PreparedData(
            **{
                **told,
                "source": Source(
                    **{
                        **source,
                        "kind": SourceKind(source["kind"]),
                        "columns": tuple((column, name) for column, name in source["columns"]),
                    }
                ),
                "preparation": Preparation(**told["preparation"]),
                "counts": RowCounts(**{name: int(count) for name, count in told["counts"].items()}),
                "overlaps": tuple(CaseOverlap(**one) for one in told["overlaps"]),
            }
        )
    except FileNotFoundError as fault:
        raise MedReasonError(
            f"There is no prepared data {path.name[:200]}. Choose one that is there, or prepare it."
        ) from fault
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise _damaged(path, f"its {MANIFEST_FILE} cannot be read") from fault


def list_prepared(folder: Path) -> list[PreparedData]:
    """Every whole folder of prepared data below `folder`, newest first. Damaged ones are left out."""
    found = []
    try:
        paths = [path for path in folder.iterdir() if RUN_NAME.fullmatch(path.name) and is_prepared(path)]
    except OSError:
        return []
    for path in paths:
        try:
            data = read_prepared(path)
        except MedReasonError:
            continue
        # The folder's own name counts, wherever it was prepared.
        found.append(replace(data, name=path.name))
    return sorted(found, key=lambda data: (data.created_at, data.name), reverse=True)


def prepared_rows(path: Path) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Rows to learn from and rows held out, exactly as they were written. Refuses rows that were changed since."""
    data = read_prepared(path)
    for name, sha256 in ((TRAIN_FILE, data.sha256_train), (HELD_OUT_FILE, data.sha256_held_out)):
        try:
            unchanged = sha256_of(path / name) == sha256
        except OSError as fault:
            raise _damaged(path, f"{name} cannot be read ({fault.strerror or fault})") from fault
        if not unchanged:
            raise _damaged(path, f"{name} was changed after it was prepared")
    return _read_rows(path / TRAIN_FILE), _read_rows(path / HELD_OUT_FILE)


def read_lengths(path: Path) -> Lengths:
    """Lengths in tokens of the rows to learn from, then of those held out."""
    try:
        told = json.loads(_small_text(path / LENGTHS_FILE))
        parts = {name: tuple(map(int, values)) for name, values in told.items() if name != "tokenizer"}
        return Lengths(tokenizer=str(told["tokenizer"]), **parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise _damaged(path, f"its {LENGTHS_FILE} cannot be read") from fault


def cases_of(rows: Sequence[Row]) -> Iterator[dict[str, str]]:
    """Rows as cases of a deck, the answer as the reference. Questions too long for a case are left out."""
    for number, row in enumerate(rows, 1):
        if len(row.question) <= LONGEST_QUESTION:
            yield {
                "case_id": f"held-out-{number:04d}",
                "text": row.question,
                "specialty": row.specialty[:200],
                "reference_answer": row.response[:LONGEST_QUESTION],
                "kind": CaseKind.STUDY.value,
                "source": row.source,
            }


def _write_lines(path: Path, values: Iterable[dict[str, Any]]) -> str:
    """One JSON object a line, synced to the disk; returns the SHA-256 of the file."""
    _write_text(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in values))
    return sha256_of(path)


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read_rows(path: Path) -> tuple[Row, ...]:
    rows: list[Row] = []
    try:
        with path.open("rb") as file:
            for line in file:
                values = json.loads(line)
                texts = {field: values[column] for column, field in FIELDS.items()}
                rows.append(Row(**texts, **{name: values.get(name, "") for name in OPTIONAL}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MedReasonError) as fault:
        raise _damaged(path.parent, f"row {len(rows) + 1} of {path.name} cannot be read") from fault
    return tuple(rows)


def _small_text(path: Path) -> str:
    _plain(path)
    if path.stat().st_size > LARGEST_JSON_BYTES:
        raise ValueError("too large")
    return path.read_text(encoding="utf-8")


def _sweep(folder: Path) -> None:
    """Remove what a process that was killed left behind a day ago or more."""
    for left in folder.glob(BUILDING + "*"):
        if time.time() - left.stat().st_mtime > FORGOTTEN_S:
            shutil.rmtree(left, ignore_errors=True)


def _plain(path: Path) -> None:
    """Refuse a link or a device: what is read must lie in the folder itself."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _damaged(path.parent, f"{path.name} is no ordinary file of its folder")


def _damaged(path: Path, why: str) -> MedReasonError:
    return MedReasonError(f"The prepared data {path.name[:200]} is damaged: {why}. Prepare it again.")
