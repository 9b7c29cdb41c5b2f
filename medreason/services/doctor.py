"""What is wrong with this installation, one plain line each: environment, disk, database, audit, backups, engine.

Every look stands on its own, so that a damaged database or a missing GPU hides nothing else. What is stored is
not changed.
"""

import importlib.metadata
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from medreason.domain.arms import ARMS
from medreason.engine.protocol import Engine, Phase
from medreason.folder import DataFolder
from medreason.models.machine import ask_gpus, disk_free
from medreason.models.torch_facts import torch_facts
from medreason.storage.backups import Backups, taken_at
from medreason.storage.health import health

GIB = 1024**3
LEAST_FREE, ENOUGH_FREE = 1 * GIB, 20 * GIB
BACKUP_AGE = timedelta(days=2)
PINS = Path(__file__).resolve().parents[2] / "requirements.txt"


class Finding(StrEnum):
    OK = "ok"
    ATTENTION = "attention"
    WRONG = "wrong"


@dataclass(frozen=True)
class Line:
    what: str
    finding: Finding
    words: str


def examine(
    folder: DataFolder, store: str | Path, make_engine: Callable[[], Engine] | None, now: datetime | None = None
) -> Iterator[Line]:
    """Every line, as it is found. Without `make_engine` the model is left out."""
    yield _python()
    yield _packages(PINS)
    yield _gpu()
    yield _disk(folder)
    yield _rights(folder)
    yield from _database(store)
    yield _backup(store, now or datetime.now(UTC))
    if make_engine is not None:
        yield _engine(make_engine)


def _python() -> Line:
    version = ".".join(str(number) for number in sys.version_info[:3])
    return Line("Python", Finding.OK, f"{version}, from {sys.prefix}")  # app.py refuses an older one


def _packages(pins: Path) -> Line:
    try:
        lines = pins.read_text(encoding="utf-8").splitlines()
    except OSError:
        words = "requirements.txt is not beside the program, so nothing was compared"
        return Line("Packages", Finding.ATTENTION, words)
    wanted = [found.groups() for line in lines if (found := re.fullmatch(r"([\w.-]+)==([\w.]+)", line.strip()))]
    missing, other = [], []
    for name, version in wanted:
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if here.partition("+")[0] != version:
            other.append(f"{name} {here} (tested with {version})")
    if missing:
        return Line("Packages", Finding.WRONG, f"missing: {', '.join(missing)}. Run make setup")
    if other:
        return Line("Packages", Finding.ATTENTION, f"other versions than tested: {', '.join(other)}")
    return Line("Packages", Finding.OK, f"all {len(wanted)} as pinned")


def _gpu() -> Line:
    there = ask_gpus()
    try:
        torch = torch_facts()
    except (ImportError, OSError) as fault:
        return Line("torch and GPU", Finding.WRONG, f"torch does not load ({fault}). Run make setup")
    if torch.gpus:
        memory = f", {there[0].memory / GIB:.0f} GiB" if there else ""
        words = f"torch {torch.version} with CUDA {torch.cuda} on {', '.join(torch.gpus)}{memory}"
        return Line("torch and GPU", Finding.OK, words)
    if there:
        why = f"built for CUDA {torch.cuda}" if torch.cuda else "a build without CUDA"
        words = (
            f"{there[0].name} is here, and torch {torch.version} ({why}) cannot use it. Update the driver, "
            "or install the torch that fits it"
        )
        return Line("torch and GPU", Finding.WRONG, words)
    words = f"torch {torch.version}, no GPU: the embedded model works, large ones need a GPU or a server"
    return Line("torch and GPU", Finding.OK, words)


def _disk(folder: DataFolder) -> Line:
    free = disk_free(folder.root)
    words = f"{free / GIB:.1f} GiB free for {folder.root}"
    if free < LEAST_FREE:
        return Line("Disk", Finding.WRONG, f"{words}; ratings may soon not be saved. Free some space")
    if free < ENOUGH_FREE:
        return Line("Disk", Finding.ATTENTION, f"{words}; a model of 8B with a run needs about 20 GiB and more")
    return Line("Disk", Finding.OK, words)


def _rights(folder: DataFolder) -> Line:
    if not folder.root.exists():
        return Line("Data folder", Finding.ATTENTION, f"{folder.root} is not there yet; the first start makes it")
    if not os.access(folder.root, os.R_OK | os.W_OK | os.X_OK):
        return Line("Data folder", Finding.WRONG, f"{folder.root} cannot be read and written by this user")
    if folder.root.stat().st_mode & 0o007:
        words = f"other users of this computer can look into {folder.root}: chmod o-rwx keeps them out"
        return Line("Data folder", Finding.ATTENTION, words)
    return Line("Data folder", Finding.OK, f"{folder.root} can be written, and others are kept out")


def _database(store: str | Path) -> Iterator[Line]:
    found = health(store)
    if found.fault:
        yield Line("Database", Finding.WRONG, found.fault.rstrip("."))
        yield Line("Audit", Finding.ATTENTION, "not looked at, as the database cannot be used")
        return
    if found.drive:
        words = f"it lies on a network drive ({found.drive}), where it is not safe. Choose a local disk"
        yield Line("Database", Finding.WRONG, words)
    elif not found.schema:
        yield Line("Database", Finding.ATTENTION, "there is none yet; the first start makes it")
    elif found.older:
        words = f"whole; its schema {found.schema} is older, and the next start brings it up after a copy"
        yield Line("Database", Finding.ATTENTION, words)
    else:
        where = "PostgreSQL" if isinstance(store, str) else str(store)
        yield Line("Database", Finding.OK, f"{where} is whole, schema {found.schema}")
    if found.chain is None:
        yield Line("Audit", Finding.OK, "nothing is recorded yet")
    elif found.chain.holds:
        words = f"{found.chain.entries:,} entries, the chain holds, last {found.chain.head[:16]}…"
        yield Line("Audit", Finding.OK, words)
    else:
        words = f"altered: entry {found.chain.broken_at} does not follow the one before. Compare with a backup"
        yield Line("Audit", Finding.WRONG, words)


def _backup(store: str | Path, now: datetime) -> Line:
    if isinstance(store, str):
        return Line("Backup", Finding.OK, "the app makes none of PostgreSQL; app.py backup or the server's own do")
    newest = Backups.beside(store).newest()
    at = taken_at(newest) if newest else None
    if at is None:
        return Line("Backup", Finding.ATTENTION, "none yet; a running app makes one, or app.py backup FILE does")
    words = f"{newest}, {at:%d %b %Y, %H:%M} UTC"
    if now - at > BACKUP_AGE:
        return Line("Backup", Finding.ATTENTION, f"the last is old: {words}")
    return Line("Backup", Finding.OK, f"{words}; on the same disk, so copy it elsewhere too")


def _engine(make_engine: Callable[[], Engine]) -> Line:
    try:
        engine = make_engine()
        engine.load()
    except Exception as fault:  # whatever it is, the other lines have been said and this one says it
        said = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        return Line("Engine", Finding.WRONG, said.rstrip("."))
    try:
        state = engine.state
        if state.phase is not Phase.READY:
            return Line("Engine", Finding.WRONG, state.message.rstrip("."))
        proof = engine.provenance
        if len(state.arms) < len(ARMS):
            words = f"{proof.base_model} answers as the baseline alone. {state.message}".strip().rstrip(".")
            return Line("Engine", Finding.ATTENTION, words)
        return Line(
            "Engine", Finding.OK, f"{proof.base_model} with {proof.adapter}: {proof.self_test}".rstrip(".")
        )
    finally:
        engine.unload()
