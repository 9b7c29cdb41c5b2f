"""What is refused before a run is written down: a base, data or a disk that it could not be made with.

Touches no network, so a data set of the hub is first seen by the run itself.
"""

import shutil
from functools import lru_cache

from medreason.data.prepared import read_prepared
from medreason.data.sources import load, prepared_path, read_good, source_of, stamp_of
from medreason.data.subset import held_out_count
from medreason.domain.dataset import Source, SourceKind
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models.base import resolve_base

DISK_NEEDED_BYTES = 600 * 1024**2


def require_startable(config: TrainingConfig, folder: DataFolder) -> None:
    """Refuse, in one sentence, a base that is not there, data that cannot be used, and too few rows."""
    resolve_base(config.base_model, config.revision, folder, config.quantization)
    source = source_of(config.data, config.data_config, config.data_revision, config.columns, folder)
    if source.kind is SourceKind.HUB:
        return
    if source.kind is SourceKind.PREPARED:
        left = read_prepared(prepared_path(source, folder)).counts.train
    else:
        rows = _good_rows(source, folder, config.skip_faulty_rows, stamp_of(source, folder))
        rows = min(config.max_rows or rows, rows)
        left = rows - held_out_count(rows, config.eval_fraction)
    if left < 1:
        raise MedReasonError("There is no row left to train on. Use more rows, or hold out fewer.")


@lru_cache(maxsize=8)
def _good_rows(source: Source, folder: DataFolder, skip_faulty: bool, stamp: object) -> int:
    """How many rows of a file can be used. Read again only when the file has changed."""
    return len(read_good(load(source, folder), skip_faulty))


def require_disk(folder: DataFolder, needed_bytes: int) -> None:
    """Refuse, with both numbers, what the disk of the data folder has no room for."""
    free = shutil.disk_usage(folder.root).free
    if free < needed_bytes:
        raise MedReasonError(
            f"The disk of the data folder has {_size(free)} free, and a run needs {_size(needed_bytes)}. "
            "Make room there, or keep fewer checkpoints, then start again."
        )


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
