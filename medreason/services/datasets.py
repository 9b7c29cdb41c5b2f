"""Looks at training data, prepares it once for all runs, and shows rows as a model will meet them.

What was read is kept in memory while its file stays as it is. Importing this loads no model software.
"""

import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medreason.data.columns import propose_columns
from medreason.data.making import make_prepared
from medreason.data.preparation import prepare
from medreason.data.prepared import list_prepared, read_lengths, refuse_existing
from medreason.data.rows import Row
from medreason.data.sources import Loaded, Report, load, read_good, source_of, stamp_of
from medreason.domain.case import Case
from medreason.domain.dataset import (
    Column,
    Lengths,
    Preparation,
    PreparedData,
    RowCounts,
    RowFault,
    Source,
)
from medreason.domain.training import RUN_NAME, TrainingConfig
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError, NotFound
from medreason.folder import DataFolder

FIRST_ROWS = 50
KEPT_IN_MEMORY = 3
DELETED = ".deleted-"


@dataclass(frozen=True)
class Look:
    """What data look like before anything is done with them. `columns` are those of the data, `proposed` a mapping
    to write into “Columns” (empty where none is needed), `rows` the first fifty good rows, `faults` the first
    thousand. `counts` is what the usual preparation would keep, None where it would keep nothing. `notes` are
    sentences worth telling."""

    source: Source
    name: str
    columns: tuple[Column, ...]
    proposed: str
    rows: tuple[Row, ...]
    faults: tuple[RowFault, ...]
    rows_read: int
    faulty_rows: int
    counts: RowCounts | None
    sha256: str
    revision: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A row as the model will meet it: its texts in order, each "read", "learned" or "cut", and how many tokens
    the whole row has, how many the loss is on, and how many are cut off."""

    segments: tuple[tuple[str, str], ...]
    tokens: int
    trained_tokens: int
    cut_tokens: int


class DataSets:
    """Training data of one data folder. `cases` is the deck that training rows are compared with."""

    def __init__(self, folder: DataFolder, cases: tuple[Case, ...]):
        self.folder = folder
        self.cases = cases
        self._lock = threading.Lock()
        self._loaded: OrderedDict[tuple[object, ...], Loaded] = OrderedDict()
        self._tokenizers: dict[tuple[str, str], Any] = {}

    def look(
        self,
        user: User,
        place: str,
        config: str = "",
        revision: str = "",
        columns: str = "",
        report: Report | None = None,
    ) -> Look:
        """Read the data and say what is there; faulty rows and missing columns are told, not refused."""
        user.require(Action.TRAIN)
        source = source_of(place, config, revision, columns, self.folder)
        loaded = self._read(source, report)
        try:
            counts = prepare(loaded.rows, Preparation(), loaded.faulty, _hear_duplicates(report)).counts
        except MedReasonError:
            counts = None
        return Look(
            source=source,
            name=loaded.name,
            columns=loaded.columns,
            proposed=propose_columns([column.name for column in loaded.columns]),
            rows=loaded.rows[:FIRST_ROWS],
            faults=loaded.faults,
            rows_read=loaded.rows_read,
            faulty_rows=loaded.faulty,
            counts=counts,
            sha256=loaded.sha256,
            revision=loaded.revision,
            notes=loaded.notes,
        )

    def counts(
        self,
        user: User,
        place: str,
        config: str,
        revision: str,
        columns: str,
        preparation: Preparation,
        report: Report | None = None,
    ) -> RowCounts:
        """What a preparation would keep. Writes nothing."""
        user.require(Action.TRAIN)
        loaded = self._read(source_of(place, config, revision, columns, self.folder), report)
        rows = read_good(loaded, preparation.skip_faulty_rows)
        return prepare(rows, preparation, loaded.faulty, _hear_duplicates(report)).counts

    def prepare(
        self,
        user: User,
        name: str,
        place: str,
        config: str,
        revision: str,
        columns: str,
        preparation: Preparation,
        tokenizer_of: str,
        report: Report | None = None,
        tokenizer_revision: str = "",
    ) -> PreparedData:
        """Prepare data under a new name, measured with the tokenizer of a base model (as in
        `TrainingConfig.base_model`). A refusal leaves nothing behind."""
        user.require(Action.TRAIN)
        path = self._path(name)
        refuse_existing(path)
        source = source_of(place, config, revision, columns, self.folder)
        self.folder.prepare()
        loaded = self._read(source, report)
        from medreason.models.tokenizer import tokenizer_name

        return make_prepared(
            path,
            source,
            loaded,
            preparation,
            lambda: self._tokenizer(tokenizer_of, tokenizer_revision, report),
            tokenizer_name(tokenizer_of),
            self.cases,
            report,
        )

    def prepared(self) -> list[PreparedData]:
        """Prepared data that are whole, newest first."""
        return list_prepared(self.folder.datasets)

    def lengths(self, name: str) -> Lengths:
        """Lengths in tokens of prepared data: rows to learn from, then rows held out."""
        return read_lengths(self._existing(name))

    def rows(self, name: str, start: int = 0, count: int = FIRST_ROWS) -> tuple[Row, ...]:
        """Some rows of prepared data, counted from 0: rows to learn from, then rows held out."""
        self._existing(name)
        loaded = self._read(source_of(name, folder=self.folder))
        return loaded.rows[max(0, start) : max(0, start) + max(0, count)]

    def delete(self, user: User, name: str) -> None:
        """Remove prepared data. Runs that learned from them stay as they are."""
        user.require(Action.TRAIN)
        path = self._existing(name)
        try:
            # Moved aside first, so that half-removed data are never taken for whole ones.
            aside = tempfile.mkdtemp(prefix=DELETED, dir=self.folder.datasets)
            os.rename(path, os.path.join(aside, name))
        except OSError as fault:
            raise MedReasonError(
                f"The prepared data {name} cannot be removed ({fault.strerror}). Check the permissions of the "
                "data folder."
            ) from fault
        shutil.rmtree(aside, ignore_errors=True)

    def as_seen(self, place: str, index: int, config: TrainingConfig) -> Seen:
        """The row of `place` at `index` (from 0, faulty rows not counted) as a run with `config` will meet it."""
        source = source_of(place, config.data_config, config.data_revision, config.columns, self.folder)
        loaded = self._read(source)
        if not 0 <= index < len(loaded.rows):
            raise NotFound(f"The data {loaded.name} has {len(loaded.rows):,} rows. Choose one of them.")
        row = loaded.rows[index]
        tokenizer = self._tokenizer(config.base_model, config.revision)
        from medreason.finetune.examples import segments

        found = segments(tokenizer, *row.texts, config.max_length, config.text_format)
        return Seen(
            segments=tuple(
                (one.text, "cut" if one.cut else "learned" if one.trained else "read") for one in found
            ),
            tokens=sum(one.tokens for one in found),
            trained_tokens=sum(one.tokens for one in found if one.trained and not one.cut),
            cut_tokens=sum(one.tokens for one in found if one.cut),
        )

    def _read(self, source: Source, report: Report | None = None) -> Loaded:
        stamp = stamp_of(source, self.folder)
        with self._lock:
            if stamp in self._loaded:
                self._loaded.move_to_end(stamp)
                return self._loaded[stamp]
        loaded = load(source, self.folder, report)
        with self._lock:
            self._loaded[stamp] = loaded
            while len(self._loaded) > KEPT_IN_MEMORY:
                self._loaded.popitem(last=False)
        return loaded

    def _tokenizer(self, name: str, revision: str, report: Report | None = None) -> Any:
        from medreason.models.tokenizer import load_tokenizer

        with self._lock:
            known = self._tokenizers.get((name, revision))
        if known is None:
            known = load_tokenizer(name, revision, self.folder, report)
            with self._lock:
                self._tokenizers = {(name, revision): known}
        return known

    def _path(self, name: str) -> Path:
        if not isinstance(name, str) or RUN_NAME.fullmatch(name) is None:
            raise MedReasonError(
                "The name of the data must have 1 to 64 letters, digits, dots, dashes or underscores, not "
                "starting with a dot."
            )
        return self.folder.datasets / name

    def _existing(self, name: str) -> Path:
        if not isinstance(name, str) or RUN_NAME.fullmatch(name) is None:
            raise NotFound("There is no prepared data of that name.")
        path = self.folder.datasets / name
        if path.is_symlink() or not path.is_dir():
            raise NotFound(f"There is no prepared data {name}.")
        return path


def _hear_duplicates(report: Report | None) -> Callable[[float], None] | None:
    return (lambda share: report(share, "Looking for duplicates…")) if report else None
