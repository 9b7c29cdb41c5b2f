"""What is sent to a cluster with a job, and the adapter that comes back: checked by hash, whole or not there."""

import base64
import json
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medreason.errors import MedReasonError
from medreason.finetune.manifest import ADAPTER, WEIGHTS_FILE, read_manifest
from medreason.finetune.place import Place
from medreason.finetune.ray_jobs import Jobs
from medreason.models.hashes import file_sha256
from medreason.whole_file import sync

CHECKOUT = Path(__file__).resolve().parents[2]
CODE = ("medreason", "training_scripts")
SENT = "sent"
SIDE = Path(__file__).with_name("job_side.py")
BUILDING, OLD = ".adapter.fetching", ".adapter.old"
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}")
PIECE_BYTES = 24 * 1024**2
LARGEST_BYTES = 64 * 1024**3
LOOK_EVERY_S = 0.5
BESIDE_WITHIN_S = 600.0


class File(NamedTuple):
    name: str
    size: int
    sha256: str


def files_of(found: Any) -> tuple[File, ...]:
    """The files that a job says it has made. Raises `MedReasonError` for what no adapter consists of."""
    try:
        files = tuple(File(str(one["name"]), int(one["bytes"]), str(one["sha256"])) for one in found)
    except (KeyError, TypeError, ValueError) as fault:
        raise MedReasonError("The job said nothing usable of its adapter's files.") from fault
    if any(not NAME.fullmatch(one.name) or one.size < 0 for one in files):
        raise MedReasonError("The job names a file that is none of an adapter's.")
    if sum(one.size for one in files) > LARGEST_BYTES or len({one.name for one in files}) < len(files):
        raise MedReasonError("The job names files that cannot be an adapter's.")
    return files


def pack_code(run: Path, into: Path) -> Path:
    """The folder that a training job runs in: the code, the run's configuration, and the data sent along."""
    for name in CODE:
        shutil.copytree(
            CHECKOUT / name, into / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".mypy_cache")
        )
    if (run / SENT).is_dir():
        shutil.copytree(run / SENT, into, dirs_exist_ok=True)
    return into


def command(place: Place, what: str, mark: str, *more: str) -> str:
    """The shell line of a job of `job_side.py`."""
    script = "medreason/finetune/job_side.py" if what == "train" else SIDE.name
    return shlex.join([place.cluster.python, script, what, "--folder", place.folder, "--mark", mark, *more])


def new_job(what: str) -> str:
    """A name that no job has yet."""
    return f"medreason-{what}-{secrets.token_hex(8)}"


def beside(jobs: Jobs, place: Place, what: str, mark: str, scratch: Path, *more: str) -> str:
    """Have a job of a moment done on the machine of the run; gives its log. Raises `MedReasonError` where it
    fails."""
    code = scratch / "beside"
    code.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SIDE, code / SIDE.name)
    job = new_job(what)
    jobs.submit(job, command(place, what, mark, *more), code, node=place.node)
    until = time.monotonic() + BESIDE_WITHIN_S
    while not (found := jobs.look(job)).state.ended:
        if time.monotonic() > until:
            jobs.stop(job)
            raise MedReasonError("The cluster did not get to it in ten minutes.")
        time.sleep(LOOK_EVERY_S)
    said = jobs.log(job)
    if found.state != "succeeded":
        raise MedReasonError(f"A job beside the run ended with “{found.message[:200]}”.")
    jobs.forget(job)
    return said


def fetch(
    files: Sequence[File], part: Callable[[int, int], bytes], run: Path, told: Callable[[float], None]
) -> Path:
    """Put the adapter together from what `part(skip, most)` gives of its files, one after the other, and put it in
    place once every hash is right. Raises `MedReasonError` where one is not; nothing is changed then."""
    building = run / BUILDING
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        whole, got, piece = sum(one.size for one in files), 0, memoryview(b"")
        for one in files:
            with open(building / one.name, "wb") as target:
                missing = one.size
                while missing:
                    if not piece:
                        piece = memoryview(part(got, min(PIECE_BYTES, whole - got)))
                        if not piece:
                            raise MedReasonError("The adapter came incomplete.")
                        got += len(piece)
                        told(got / whole)
                    target.write(piece[:missing])
                    taken = min(missing, len(piece))
                    missing, piece = missing - taken, piece[taken:]
            if file_sha256(building / one.name) != one.sha256:
                raise MedReasonError(f"{one.name} came damaged: its hash is not that of the cluster.")
        _require_whole(building)
        return _put(building, run / ADAPTER)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _require_whole(folder: Path) -> None:
    manifest: Mapping[str, Any] | None = read_manifest(folder)
    if manifest is None or manifest.get("adapter_sha256") != file_sha256(folder / WEIGHTS_FILE):
        raise MedReasonError("The adapter that came is not the one its manifest describes.")


def _put(building: Path, place: Path) -> Path:
    for path in (*building.iterdir(), building):
        sync(path)
    old = place.with_name(OLD)
    if place.exists():
        os.replace(place, old)
    os.replace(building, place)
    shutil.rmtree(old, ignore_errors=True)
    return place


def parts(said: str, mark: str) -> bytes:
    """The bytes that a `send` job has written into its log."""
    found = []
    for line in said.splitlines():
        if line.startswith(f"{mark} "):
            try:
                found.append(base64.b64decode(json.loads(line[len(mark) + 1 :])["data"], validate=True))
            except (ValueError, KeyError, TypeError) as fault:
                raise MedReasonError("A piece of the adapter came damaged.") from fault
    return b"".join(found)
