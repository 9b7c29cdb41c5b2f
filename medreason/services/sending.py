"""What a run takes along to a cluster: its configuration, and the training data of this computer."""

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from medreason.data.sources import prepared_path, source_of
from medreason.domain.dataset import Source, SourceKind
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError, NotReady
from medreason.finetune.config_file import write_config
from medreason.finetune.parcel import SENT
from medreason.finetune.ray_jobs import INSTALL
from medreason.finetune.recipe import ONE_GPU
from medreason.finetune.run_folder import CONFIG_FILE
from medreason.folder import DataFolder

MOST_BYTES = 90 * 1000**2


def require_sendable(config: TrainingConfig, folder: DataFolder) -> None:
    """Refuse, in one sentence, what a cluster could not be sent: without Ray, without data, or with too much of
    them, and what it could not do. A path that is not of this computer is taken for one of the cluster."""
    if find_spec("ray") is None:
        raise NotReady(INSTALL)
    if config.split_base and config.gpus == 1:
        raise MedReasonError(ONE_GPU)
    place = _data_of(config, folder)
    size = _size(place) if place is not None else 0
    if size > MOST_BYTES:
        raise MedReasonError(
            f"The training data have {size / 1e6:,.0f} MB, and at most {MOST_BYTES / 1e6:.0f} MB are sent along. "
            "Put them into the data folder of the cluster, and give their path there as the training data."
        )


def put_parcel(config: TrainingConfig, folder: DataFolder, run: Path) -> None:
    """Lay what is sent along into the run's folder, with the configuration as it holds on the cluster."""
    sent = run / SENT
    sent.mkdir()
    place, there = _data_of(config, folder), config
    if place is not None and place.is_dir():
        shutil.copytree(place, sent / SENT / "datasets" / place.name)
        there = replace(config, data=place.name)
    elif place is not None:
        (sent / SENT).mkdir()
        shutil.copyfile(place, sent / SENT / f"rows{place.suffix}")
        there = replace(config, data=f"{SENT}/rows{place.suffix}")
    write_config(there, sent / CONFIG_FILE)


def _data_of(config: TrainingConfig, folder: DataFolder) -> Path | None:
    """The file or the prepared folder that holds the rows; None where the cluster gets them itself."""
    if config.data.startswith("/") and not Path(config.data).exists():
        return None
    source: Source = source_of(config.data, config.data_config, config.data_revision, config.columns, folder)
    if source.kind is SourceKind.PREPARED:
        return prepared_path(source, folder)
    return Path(source.place).expanduser() if source.kind is SourceKind.FILE else None


def _size(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else (place,)
    return sum(one.stat().st_size for one in files if one.is_file())
