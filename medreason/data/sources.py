"""Where training rows come from: the embedded curriculum, prepared data, a file, or a data set of the hub.

`source_of` only reads what was written; `load` reads the rows and says what is wrong with each. Nothing is left
out here: `read_good` refuses faulty rows unless told to leave them out. Importing this loads neither `datasets`
nor `pyarrow`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medreason.data.columns import columns_of
from medreason.data.hub import HUB_ID, Opened, hub_records, open_hub
from medreason.data.prepared import is_prepared, prepared_rows, read_prepared
from medreason.data.rows import REMEDY, Gathered, Row, gather, refuse_faulty, sha256_of
from medreason.data.table import (
    Hear,
    Record,
    csv_records,
    json_records,
    jsonl_records,
    parquet_records,
    size_of,
    unreadable,
)
from medreason.demo import CURRICULUM
from medreason.domain.dataset import EXPECTED_ROWS, Column, RowFault, Source, SourceKind
from medreason.domain.training import RUN_NAME
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models.tensor_file import plain_file

Report = Callable[[float | None, str], None]
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
LONGEST_PLACE = 4096


@dataclass(frozen=True)
class Loaded:
    """What was read. `rows_read` counts faulty rows too; `faults` holds the first thousand. `sha256` is of the
    file, or of the rows where there is no one file; `revision` is the hub's commit. `notes` are sentences worth
    telling, such as a row count other than the expected one."""

    rows: tuple[Row, ...]
    faults: tuple[RowFault, ...]
    columns: tuple[Column, ...]
    name: str
    sha256: str
    revision: str
    rows_read: int
    notes: tuple[str, ...] = ()

    @property
    def faulty(self) -> int:
        """How many rows are faulty."""
        return self.rows_read - len(self.rows)


def source_of(
    place: str, config: str = "", revision: str = "", columns: str = "", folder: DataFolder | None = None
) -> Source:
    """What `place` means: “curriculum”, an existing file or prepared folder, the name of prepared data, a hub id.
    `columns` reads “Question=prompt, Response=answer”. Without `folder` a plain name is taken for prepared data,
    and `load` finds out whether it is there. Touches no network; refuses anything else in words."""
    named = columns_of(columns)
    place = place.strip()
    if not place or len(place) > LONGEST_PLACE or any(ord(sign) < 32 for sign in place):
        raise MedReasonError("No training data was named. Give “curriculum”, prepared data, a hub id, or a file.")
    if place == "curriculum":
        return Source(SourceKind.CURRICULUM)
    if "://" in place:
        raise MedReasonError(
            f"The data {place[:200]} is an address, and nothing is fetched from one. Download the file and give "
            "its path, or give a hub id such as owner/name."
        )
    path = Path(place).expanduser()
    try:
        is_file, is_dir = path.is_file(), path.is_dir()
    except OSError:
        is_file = is_dir = False
    if is_file:
        _refuse_other_formats(path)
        return Source(SourceKind.FILE, place, columns=named)
    if is_dir and is_prepared(path):
        return Source(SourceKind.PREPARED, place)
    data_file = path.suffix.lower() in SUFFIXES
    if RUN_NAME.fullmatch(place) and (
        is_prepared(folder.datasets / place) if folder else not is_dir and not data_file
    ):
        return Source(SourceKind.PREPARED, place)
    if is_dir:
        raise MedReasonError(f"{place[:200]} is a folder and holds no prepared data. Give one of its files.")
    if HUB_ID.fullmatch(place) and not data_file:
        return Source(SourceKind.HUB, place, config.strip(), revision.strip(), named)
    raise MedReasonError(
        f"There is no training data {place[:200]}. Give “curriculum”, the name of prepared data, a file that "
        "exists, or a hub id such as owner/name."
    )


def load(source: Source, folder: DataFolder, report: Report | None = None) -> Loaded:
    """Every row of a source, checked. Raises `MedReasonError` where it cannot be read as a whole or holds no rows;
    faulty rows are in `faults`. `report` hears a share of the work, or None where the end is not known, and a
    sentence."""
    say = report or (lambda share, words: None)
    if source.kind is SourceKind.HUB:
        return _load_hub(source, say)
    if source.kind is SourceKind.PREPARED:
        place = prepared_path(source, folder)
        data = read_prepared(place)
        train, held_out = prepared_rows(place)
        found = gather(Record(at, dict(row.as_record())) for at, row in enumerate((*train, *held_out), 1))
        return _loaded(found, data.name, data.sha256_train, data.source.revision)
    path = CURRICULUM if source.kind is SourceKind.CURRICULUM else Path(source.place).expanduser()
    name = "curriculum" if source.kind is SourceKind.CURRICULUM else path.name
    say(0.0, f"Reading {name}…")
    try:
        records = _records(path, lambda share: say(share, f"Reading {name}…"))
        return _loaded(gather(records, dict(source.columns)), name, sha256_of(path))
    except OSError as fault:
        raise unreadable(path, fault) from fault


def read_good(loaded: Loaded, skip_faulty: bool) -> tuple[Row, ...]:
    """The rows without fault. Where there are faulty ones, or a column is missing, raises one sentence that names
    the first; with `skip_faulty` they are left out, as long as any row remains."""
    if loaded.faults and not (skip_faulty and loaded.rows):
        hint = " Or leave faulty rows out." if loaded.rows else ""
        refuse_faulty(f"The data {loaded.name}", loaded.faults, loaded.faulty, REMEDY + hint)
    return loaded.rows


def prepared_path(source: Source, folder: DataFolder) -> Path:
    """The folder of prepared data named by a source: of the data folder, or the folder itself."""
    named = folder.datasets / source.place
    return named if RUN_NAME.fullmatch(source.place) and is_prepared(named) else Path(source.place).expanduser()


def stamp_of(source: Source, folder: DataFolder) -> tuple[object, ...]:
    """Changes when the rows may have: to know whether what was read before still holds. Reads nothing."""
    if source.kind is SourceKind.HUB:
        return (source,)
    path = CURRICULUM if source.kind is SourceKind.CURRICULUM else Path(source.place).expanduser()
    if source.kind is SourceKind.PREPARED:
        path = prepared_path(source, folder) / "manifest.json"
    try:
        found = path.stat()
    except OSError:
        return (source, None)
    return (source, found.st_mtime_ns, found.st_size, found.st_ino)


def _records(path: Path, hear: Hear) -> Iterator[Record | RowFault]:
    _refuse_other_formats(path)
    size_of(path)
    plain_file(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return csv_records(path)
    readers = {".jsonl": jsonl_records, ".json": json_records, ".parquet": parquet_records}
    return readers[suffix](path, hear)


def _refuse_other_formats(path: Path) -> None:
    if path.suffix.lower() in SUFFIXES:
        return
    why = ""
    if path.suffix.lower() == ".py":
        why = " Programs that load data are never run."
    elif path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z"):
        why = " Unpack it first."
    raise MedReasonError(
        f"The file {path.name} is no data file.{why} Give a file that ends in .jsonl, .json, .csv or .parquet."
    )


def _load_hub(source: Source, say: Report) -> Loaded:
    say(None, f"Asking the hub for {source.place}…")
    opened: Opened = open_hub(source.place, source.config, source.revision)
    expected = EXPECTED_ROWS.get((source.place, source.config), 0) or opened.rows

    def hear(read: int) -> None:
        share = min(1.0, read / expected) if expected else None
        say(share, f"Reading {source.place}: {read:,} rows…")

    digest = opened.digest
    found = gather(hub_records(opened, hear), dict(source.columns))
    notes = []
    usual = EXPECTED_ROWS.get((source.place, source.config))
    if usual and usual != found.read:
        notes.append(
            f"{source.place} ({source.config}) has {found.read:,} rows, and {usual:,} were expected: it may have "
            "changed."
        )
    return _loaded(found, source.place, digest.hexdigest(), opened.revision, tuple(notes))


def _loaded(found: Gathered, name: str, sha256: str, revision: str = "", notes: tuple[str, ...] = ()) -> Loaded:
    if not found.read:
        raise MedReasonError(f"The data {name} cannot be used: it holds no rows. {REMEDY}")
    return Loaded(found.rows, found.faults, found.columns, name, sha256, revision, found.read, notes)
