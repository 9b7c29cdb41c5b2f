"""What a run would do and need, before it is started. Loads no torch and touches no network."""

import math
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medreason.domain.case import Case
from medreason.domain.estimate import Estimate, Finding, Machine, Severity
from medreason.domain.training import TrainingConfig
from medreason.finetune.config_file import config_text
from medreason.finetune.disk_need import needed_to_run
from medreason.finetune.estimate import estimate
from medreason.finetune.manifest import ADAPTER, MANIFEST_FILE, read_manifest
from medreason.finetune.place import PLACE_FILE
from medreason.finetune.time_need import OF_SPEED
from medreason.folder import DataFolder
from medreason.models.base_shape import BaseShape, base_shape
from medreason.services.plan_findings import find
from medreason.services.plan_rows import RowCounter

USUAL_DISK_BYTES = 600 * 1024**2


@dataclass(frozen=True)
class PlannedRows:
    """The rows that a run would use. `read` is how many the source holds (0: not known), `train` and `held_out`
    what is trained on and what is kept aside, `tokens` the mean length of a row after the cut, `cut` the share of
    rows that lose their end. `assumed` says in one sentence which of these were not counted but assumed; empty
    where all were counted."""

    read: int
    train: int
    held_out: int
    tokens: float
    cut: float
    assumed: str = ""


@dataclass(frozen=True)
class Planned:
    """A configuration as it would run: what it needs, what to know before, and how to start it elsewhere.
    `command` is one shell line, `yaml` the text of the configuration file that it names, `machine` what this
    computer has."""

    config: TrainingConfig
    rows: PlannedRows
    estimate: Estimate
    findings: tuple[Finding, ...]
    command: str
    yaml: str
    machine: Machine

    @property
    def blocked(self) -> bool:
        """Whether a finding forbids the start."""
        return any(one.severity is Severity.ERROR for one in self.findings)

    @property
    def needed_bytes(self) -> int:
        """Disk without which the run should not start: merging its adapter later is not in it. Where the base's
        shape is not known, enough for the usual adapters."""
        return math.ceil(needed_to_run(self.estimate.disk)) or USUAL_DISK_BYTES


class TrainingPlan:
    """Plans runs on one data folder. `machine` is asked anew for every plan, since what is free changes;
    `cases` is the deck that training rows are compared with."""

    def __init__(self, folder: DataFolder, machine: Callable[[], Machine], cases: tuple[Case, ...] = ()):
        self.folder = folder
        self.machine = machine
        self._rows = RowCounter(folder, cases)
        self._told: dict[Path, tuple[int | None, dict[str, Any]]] = {}

    def plan(self, config: TrainingConfig) -> Planned:
        """What `config` would do. Raises `MedReasonError` where its data or its base cannot be used at all."""
        shape = base_shape(config, self.folder)
        counted = self._rows.count(config)
        machine = self.machine()
        needs = estimate(config, shape, counted.work, machine, self._earlier(), self._downloads_here(shape))
        work = counted.work
        rows = PlannedRows(
            counted.read, work.train, work.held_out, work.row_tokens(config), work.cut(config), counted.assumed
        )
        return Planned(
            config=config,
            rows=rows,
            estimate=needs,
            findings=tuple(find(config, shape, counted, needs, machine)),
            command=command(config),
            yaml=config_text(config),
            machine=machine,
        )

    def _earlier(self) -> Iterator[Mapping[str, Any]]:
        """What tells the speed of the runs in the data folder, newest first, but for those of other machines. A
        manifest is read once, not with every key: it holds a record of all its questions."""
        try:
            here = [run for run in self.folder.runs.iterdir() if not (run / PLACE_FILE).exists()]
            places = [run / ADAPTER / MANIFEST_FILE for run in here]
            stamped = sorted(
                ((place.stat().st_mtime_ns, place) for place in places if place.is_file()), reverse=True
            )
        except OSError:
            return
        for stamp, place in stamped:
            if self._told.get(place, (None, {}))[0] != stamp:
                manifest = read_manifest(place.parent) or {}
                self._told[place] = (stamp, {name: manifest[name] for name in OF_SPEED if name in manifest})
            yield self._told[place][1]

    def _downloads_here(self, shape: BaseShape | None) -> bool:
        """Whether the base has yet to be fetched, onto the disk of the data folder."""
        if shape is None or shape.on_disk:
            return False
        return _device(_hub_cache()) == _device(self.folder.root)


def command(config: TrainingConfig) -> str:
    """The shell line that makes the same run without the app, with the configuration file beside it."""
    words = ["python", "training_scripts/train_qlora.py", "--config", f"{config.run_name}.yaml"]
    return shlex.join([*words, "--output-dir", f"runs/{config.run_name}"])


def _hub_cache() -> Path:
    """Where the hub's client keeps what it fetches; its own rules, without loading it."""
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")).expanduser()


def _device(path: Path) -> int | None:
    for place in (path, *path.parents):
        try:
            return place.stat().st_dev
        except OSError:
            continue
    return None
