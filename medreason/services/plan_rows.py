"""The rows that a run would use, counted where that is quick and assumed where it is not, and said which.

Small files and prepared data are counted; a data set of the hub is never fetched for a plan. What was counted
is kept in memory while its file stays as it is.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from medreason.data.overlap import overlap
from medreason.data.prepared import read_lengths, read_prepared
from medreason.data.sources import prepared_path, source_of, stamp_of
from medreason.data.subset import held_out_count
from medreason.data.training_rows import preparation_of, rows_for, used_of
from medreason.domain.case import Case
from medreason.domain.dataset import EXPECTED_ROWS, CaseOverlap, Lengths, Source, SourceKind
from medreason.domain.training import TrainingConfig
from medreason.finetune.calibration import CHARACTERS_A_TOKEN, LONGEST_TOKENS, MEAN_TOKENS, P95_TOKENS
from medreason.finetune.workload import Workload
from medreason.folder import DataFolder

COUNTED_UP_TO = 8 * 1024**2
BYTES_A_ROW = 3400
"""Of a JSONL row of the article's data set, on average."""
ROWS_UNKNOWN = 10_000
KEPT = 4


@dataclass(frozen=True)
class CountedRows:
    """What is known of the rows: `read` in the source (0: not known), the work they make, the cases among them
    (None: not known), their lengths by a tokenizer where these were measured, and a sentence on what was
    assumed."""

    read: int
    work: Workload
    overlaps: tuple[CaseOverlap, ...] | None
    source: Source
    measured: Lengths | None = None
    proposed_max_length: int = 0
    assumed: str = ""


class RowCounter:
    """Counts the rows of configurations on one data folder. `cases` is the deck to compare them with."""

    def __init__(self, folder: DataFolder, cases: tuple[Case, ...]):
        self.folder = folder
        self.cases = cases
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], CountedRows] = OrderedDict()

    def count(self, config: TrainingConfig) -> CountedRows:
        """Raises `MedReasonError` where the data cannot be used, such as for a faulty row."""
        source = source_of(config.data, config.data_config, config.data_revision, config.columns, self.folder)
        if source.kind is SourceKind.HUB:
            return _of_the_hub(config, source)
        if source.kind is SourceKind.PREPARED:
            return _prepared(config, source, prepared_path(source, self.folder))
        stamp = stamp_of(source, self.folder)
        size = stamp[2] if len(stamp) > 2 and isinstance(stamp[2], int) else 0
        if size > COUNTED_UP_TO:
            return _large_file(config, source, size)
        key = (stamp, preparation_of(config))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        counted = self._read(config, source)
        with self._lock:
            self._kept[key] = counted
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return counted

    def _read(self, config: TrainingConfig, source: Source) -> CountedRows:
        rows = rows_for(config, self.folder)
        characters = [len(row.question) + len(row.thinking) + len(row.response) for row in rows.train]
        lengths = [max(1, round(count / CHARACTERS_A_TOKEN)) for count in characters]
        return CountedRows(
            read=rows.rows_read,
            work=Workload.counted(len(rows.train), len(rows.held_out), lengths),
            overlaps=overlap(self.cases, rows.train),
            source=source,
            assumed=f"Lengths are assumed from the characters, {CHARACTERS_A_TOKEN:g} to a token.",
        )


def _prepared(config: TrainingConfig, source: Source, path: Path) -> CountedRows:
    data, lengths = read_prepared(path), read_lengths(path)
    train, held_out = used_of(data.counts.train, data.counts.held_out, config.max_rows)
    return CountedRows(
        read=data.counts.read,
        work=Workload.counted(train, held_out, lengths.whole[: data.counts.train] or (1,)),
        overlaps=data.overlaps,
        source=source,
        measured=lengths,
        proposed_max_length=data.proposed_max_length,
    )


def _of_the_hub(config: TrainingConfig, source: Source) -> CountedRows:
    published = EXPECTED_ROWS.get((source.place, source.config), 0)
    there = published or config.max_rows or ROWS_UNKNOWN
    counted = f"{published:,} rows as published" if published else f"{there:,} rows"
    return CountedRows(
        read=published,
        work=_drawn(config, there),
        overlaps=None,
        source=source,
        assumed=f"The data set has not been read on this computer, so {counted} are assumed, {_assumed()}.",
    )


def _large_file(config: TrainingConfig, source: Source, size: int) -> CountedRows:
    there = max(1, size // BYTES_A_ROW)
    return CountedRows(
        read=0,
        work=_drawn(config, there),
        overlaps=None,
        source=source,
        assumed=f"The file is too large to be counted each time, so {there:,} rows are assumed from its size, "
        f"{_assumed()}.",
    )


def _drawn(config: TrainingConfig, there: int) -> Workload:
    rows = min(config.max_rows or there, there)
    held_out = held_out_count(rows, config.eval_fraction)
    return Workload(rows - held_out, held_out)


def _assumed() -> str:
    return (
        f"each of {MEAN_TOKENS:.0f} tokens on average (95 % at most {P95_TOKENS:,}, the longest "
        f"{LONGEST_TOKENS:,}), as measured on 198 of the article's rows"
    )
