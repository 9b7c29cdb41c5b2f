"""The rows of a training run, as its configuration asks for them: one way for script, plan and page."""

import hashlib
from dataclasses import dataclass, replace

from medreason.data.preparation import prepare
from medreason.data.prepared import prepared_rows, read_prepared
from medreason.data.rows import Row
from medreason.data.sources import Report, load, prepared_path, read_good, source_of
from medreason.data.subset import draw, held_out_count
from medreason.domain.dataset import Preparation, RowCounts, Source, SourceKind
from medreason.domain.training import TrainingConfig
from medreason.folder import DataFolder


@dataclass(frozen=True)
class TrainingRows:
    """Rows to learn from and rows held out. `name`, `sha256` and `revision` say which data they were drawn from,
    without its place on this machine; `rows_read` counts the faulty and the filtered too."""

    train: tuple[Row, ...]
    held_out: tuple[Row, ...]
    counts: RowCounts
    name: str
    sha256: str
    rows_read: int
    revision: str = ""


def rows_for(config: TrainingConfig, folder: DataFolder, report: Report | None = None) -> TrainingRows:
    """The rows that `config` trains on. Prepared data are taken as they are: only `max_rows` limits them, drawn
    with the seed, and what was held out stays held out. Raises `MedReasonError` where the data cannot be
    used."""
    source = source_of(config.data, config.data_config, config.data_revision, config.columns, folder)
    if source.kind is SourceKind.PREPARED:
        return _prepared(config, source, folder)
    say = report or (lambda share, words: None)
    loaded = load(source, folder, report)
    rows = read_good(loaded, config.skip_faulty_rows)
    made = prepare(
        rows,
        preparation_of(config),
        faulty=loaded.faulty,
        report=lambda share: say(share, "Looking for duplicates…"),
    )
    return TrainingRows(
        made.train, made.held_out, made.counts, loaded.name, loaded.sha256, loaded.rows_read, loaded.revision
    )


def preparation_of(config: TrainingConfig) -> Preparation:
    """How a configuration prepares rows that are not prepared yet."""
    return Preparation(
        min_thinking_chars=config.min_thinking_chars,
        drop_duplicates=config.drop_duplicates,
        max_rows=config.max_rows,
        eval_fraction=config.eval_fraction,
        seed=config.seed,
        skip_faulty_rows=config.skip_faulty_rows,
    )


def used_of(train: int, held_out: int, max_rows: int) -> tuple[int, int]:
    """How many of prepared rows a run learns from and holds out, where it takes at most `max_rows` (0: all)."""
    every = train + held_out
    if not 0 < max_rows < every:
        return train, held_out
    aside = min(held_out, held_out_count(max_rows, held_out / every))
    return max_rows - aside, aside


def _prepared(config: TrainingConfig, source: Source, folder: DataFolder) -> TrainingRows:
    path = prepared_path(source, folder)
    data = read_prepared(path)
    train, held_out = prepared_rows(path)
    every = len(train) + len(held_out)
    learned, aside = used_of(len(train), len(held_out), config.max_rows)
    if learned + aside < every:
        train = draw(train, learned, config.seed)
        held_out = draw(held_out, aside, config.seed) if aside else ()
    counts = replace(
        data.counts,
        not_drawn=data.counts.not_drawn + every - len(train) - len(held_out),
        train=len(train),
        held_out=len(held_out),
    )
    both = hashlib.sha256(f"{data.sha256_train} {data.sha256_held_out}".encode()).hexdigest()
    return TrainingRows(train, held_out, counts, path.name, both, data.counts.read, data.source.revision)
