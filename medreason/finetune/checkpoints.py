"""Checkpoints on disk: each is whole or it is not there.

One is built in a folder of its own, its files are brought to the disk, a marker with the size and SHA-256 of each
is written last, and only then does it get its name. Which is the newest, the best or one too many goes by the
marker and the step in the name, never by times of files. Loads no torch.
"""

import json
import math
import os
import re
import shutil
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medreason.domain.run import Checkpoint
from medreason.errors import MedReasonError
from medreason.finetune.manifest import WEIGHTS_FILE as WEIGHTS
from medreason.models.hashes import file_sha256
from medreason.whole_file import sync

CHECKPOINTS = "checkpoints"
MARKER = "complete.json"
NAME = re.compile(r"step-([1-9][0-9]{0,9})")
OPTIMIZER, SCHEDULER, RANDOM, TRAINER = "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"
# All of these, and no others: what else lies there was not put there by a run, and nothing of it is ever read.
FILES = frozenset({WEIGHTS, OPTIMIZER, SCHEDULER, RANDOM, TRAINER})
LARGEST_MARKER = 1_000_000


@dataclass(frozen=True)
class Kept:
    """A file as the marker knows it."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Marker:
    """What is known of a checkpoint. `elapsed_s` and `training_s` are over all starts of the run up to it; `made`
    is what it was made of; `files` is filled in when it is sealed."""

    step: int
    held_out_loss: float | None
    elapsed_s: float
    training_s: float
    made: dict[str, Any]
    files: dict[str, Kept] = field(default_factory=dict)


def place_of(run: Path, step: int) -> Path:
    return run / CHECKPOINTS / f"step-{step}"


def begin(run: Path, step: int) -> Path:
    """An empty folder to build the checkpoint of `step` in."""
    building = run / CHECKPOINTS / f".step-{step}.building"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    return building


def keep(run: Path, building: Path, marker: Marker) -> Path:
    """Seal what was built and give it its name. A whole checkpoint of that step stays as it is, a broken one is
    replaced. Raises `MedReasonError` where a file is missing."""
    place = place_of(run, marker.step)
    for name in FILES:
        if not (building / name).is_file():
            raise MedReasonError(f"The checkpoint of step {marker.step} lacks {name} and was not kept.")
    for other in building.iterdir():
        if other.name not in FILES:
            other.unlink()
    files = {}
    for name in sorted(FILES):
        sync(building / name)
        files[name] = Kept((building / name).stat().st_size, file_sha256(building / name))
    sync(building)
    sealed = asdict(marker) | {"files": {name: asdict(kept) for name, kept in files.items()}}
    (building / MARKER).write_text(json.dumps(sealed, indent=1) + "\n", encoding="utf-8")
    sync(building / MARKER)
    sync(building)
    if os.path.lexists(place):
        if is_whole(place):
            shutil.rmtree(building)
            return place
        _remove(place)
    os.replace(building, place)
    sync(place.parent)
    return place


def read_checkpoints(run: Path) -> tuple[Checkpoint, ...]:
    """Every checkpoint of a run by step, whole or not. Quick: files are compared by size; their hashes are for
    `verified`, before a run goes on from one."""
    found = []
    for step in _steps(run):
        try:
            found.append(Checkpoint(step, True, examined(place_of(run, step)).held_out_loss))
        except MedReasonError as fault:
            found.append(Checkpoint(step, False, fault=str(fault)))
    return tuple(found)


def newest_whole(run: Path) -> Checkpoint | None:
    """The whole checkpoint of the highest step, or None."""
    whole = [one for one in read_checkpoints(run) if one.whole]
    return whole[-1] if whole else None


def best_of(checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """The whole checkpoint with the lowest held-out loss, the earliest of equals; None where none was measured."""
    measured = [
        (one.held_out_loss, one.step, one) for one in checkpoints if one.whole and one.held_out_loss is not None
    ]
    return min(measured)[2] if measured else None


def rotate(run: Path, most: int) -> None:
    """Remove the oldest until `most` are left, but never the newest and never the best; and what is broken and
    older than the newest."""
    found = read_checkpoints(run)
    whole = [one for one in found if one.whole]
    if not whole:
        return
    best = best_of(whole) or whole[-1]
    spare = [one for one in whole[:-1] if one.step != best.step]
    gone = spare[: max(0, len(whole) - most)]
    gone += [one for one in found if not one.whole and one.step < whole[-1].step]
    for one in gone:
        _remove(place_of(run, one.step))


def clear_unfinished(run: Path) -> None:
    """Remove what was being built or removed when a process ended."""
    for left in (run / CHECKPOINTS).glob(".step-*"):
        shutil.rmtree(left, ignore_errors=True)


def is_whole(place: Path) -> bool:
    """Whether a whole checkpoint lies there, going by its marker and the sizes of its files."""
    try:
        return bool(examined(place))
    except MedReasonError:
        return False


def examined(place: Path) -> Marker:
    """The marker of a checkpoint whose files are there with the sizes it says, and no others. Raises
    `MedReasonError` with a few words on what is wrong with it."""
    try:
        marker = _read_marker(place / MARKER)
        if f"step-{marker.step}" != place.name:
            raise MedReasonError(f"its marker is that of step {marker.step}")
        for name, kept in marker.files.items():
            found = (place / name).lstat()
            if not stat.S_ISREG(found.st_mode):
                raise MedReasonError(f"{name} is not a plain file")
            if found.st_size != kept.size:
                raise MedReasonError(f"{name} has {found.st_size:,} of {kept.size:,} bytes")
        others = sorted(one.name for one in place.iterdir() if one.name not in FILES | {MARKER})
    except FileNotFoundError as fault:
        raise MedReasonError(f"{Path(fault.filename or '').name} is missing") from None
    except OSError as fault:
        raise MedReasonError(f"it cannot be read ({fault.strerror})") from None
    if others:
        raise MedReasonError(f"it holds {others[0][:80]}, which no run has put there")
    return marker


def verified(place: Path) -> Marker:
    """`examined`, and every file read and compared by its SHA-256."""
    marker = examined(place)
    for name, kept in marker.files.items():
        try:
            same = file_sha256(place / name) == kept.sha256
        except OSError as fault:
            raise MedReasonError(f"{name} cannot be read ({fault.strerror})") from None
        if not same:
            raise MedReasonError(f"{name} is not as it was written")
    return marker


def _read_marker(path: Path) -> Marker:
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or path.stat().st_size > LARGEST_MARKER:
            raise MedReasonError("its marker is no marker")
        found = json.loads(path.read_text(encoding="utf-8"))
        loss = found["held_out_loss"]
        marker = Marker(
            step=int(found["step"]),
            held_out_loss=None if loss is None else float(loss),
            elapsed_s=float(found["elapsed_s"]),
            training_s=float(found["training_s"]),
            made=dict(found["made"]),
            files={str(name): Kept(int(one["size"]), str(one["sha256"])) for name, one in found["files"].items()},
        )
    except FileNotFoundError:
        raise MedReasonError("it has no marker, so it was not written to its end") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise MedReasonError("its marker cannot be read") from None
    numbers = (marker.elapsed_s, marker.training_s, marker.held_out_loss or 0.0)
    if set(marker.files) != FILES or not all(math.isfinite(number) for number in numbers):
        raise MedReasonError("its marker is no marker of this program")
    return marker


def _steps(run: Path) -> list[int]:
    try:
        names = [one.name for one in (run / CHECKPOINTS).iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := NAME.fullmatch(name)))


def _remove(place: Path) -> None:
    """Remove a checkpoint under another name, so that half of one is never seen under its own."""
    aside = place.with_name(f".{place.name}.removing")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(place, aside)
    if aside.is_symlink() or not aside.is_dir():
        aside.unlink()
    else:
        shutil.rmtree(aside, ignore_errors=True)
