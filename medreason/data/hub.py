"""Streams the rows of a data set of the Hugging Face hub. No code of a data set is ever run.

Tells apart, in one sentence each: a data set the hub does not know, one that asks for terms to be accepted, a
missing configuration, no network. A token is taken from the environment by the hub's own client and never shown.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medreason.data.table import Record
from medreason.errors import MedReasonError
from medreason.models import hub_faults
from medreason.models.base import HUB_ID as HUB_ID

log = logging.getLogger(__name__)

SPLIT = "train"
TIMEOUT_S = 20.0
TOLD_EVERY = 500


@dataclass
class Opened:
    """A data set about to be read. `rows` is what its card says, 0 where it says nothing; `digest` is the SHA-256
    of the rows once they have been read."""

    name: str
    stream: Any
    revision: str
    rows: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


def open_hub(place: str, config: str, revision: str) -> Opened:
    """Open `place`, a hub id or a folder laid out as one, at an exact commit. Raises `MedReasonError` in words."""
    _quiet()
    import datasets

    commit = "" if Path(place).is_dir() else _commit(place, revision)
    try:
        found = datasets.load_dataset(place, config or None, revision=commit or None, streaming=True)
    except Exception as fault:  # the client passes on whatever network, card and file readers throw
        raise _in_words(fault, place, config, commit) from fault
    if SPLIT not in found and len(found) > 1:
        raise MedReasonError(f"The data set {place} has no part “{SPLIT}”; it has {', '.join(map(str, found))}.")
    stream = found[SPLIT if SPLIT in found else next(iter(found))]
    splits = stream.info.splits or {}
    rows = splits[stream.split].num_examples if stream.split in splits else 0
    return Opened(place, stream, commit, rows or 0)


def hub_records(opened: Opened, hear: Callable[[int], None]) -> Iterator[Record]:
    """The rows, numbered from 1 as they come. `hear` is told how many have come."""
    number = 0
    rows = iter(opened.stream)
    while True:
        try:
            values = next(rows, None)
        except Exception as fault:
            log.exception("Reading %s failed", opened.name)
            raise MedReasonError(
                f"Reading {opened.name} ended at row {number + 1:,} ({type(fault).__name__}). Check the network "
                "and try again, or download one of its files."
            ) from fault
        if values is None:
            return
        number += 1
        line = json.dumps(values, default=str, sort_keys=True, ensure_ascii=True)
        opened.digest.update(line.encode("ascii") + b"\n")
        if number % TOLD_EVERY == 0:
            hear(number)
        yield Record(number, values)


def _commit(place: str, revision: str) -> str:
    """The commit that `revision` is, or the newest. Asked first: it fails at once where the network is missing,
    while the client for data tries for half a minute."""
    import huggingface_hub

    try:
        found = huggingface_hub.HfApi().dataset_info(place, revision=revision or None, timeout=TIMEOUT_S)
    except Exception as fault:
        raise hub_faults.in_words(
            fault,
            "data set",
            place,
            revision,
            f"The hub cannot be reached, so the data set {place} cannot be read. Check the network, or download "
            "one of its files and give its path.",
        ) from fault
    return found.sha or ""


def _in_words(fault: Exception, place: str, config: str, commit: str) -> MedReasonError:
    text = str(fault)
    if "scripts are no longer supported" in text:
        return MedReasonError(
            f"The data set {place} is a program, and programs that load data are never run. Choose data that is "
            "stored as files."
        )
    if isinstance(fault, ValueError) and ("Config name is missing" in text or "BuilderConfig" in text):
        names = _configurations(place, commit)
        listed = f"It has {names}." if names else "See its page for their names."
        said = (
            f"has no configuration {config[:80]}" if config else "has several configurations, and none was named"
        )
        return MedReasonError(f"The data set {place} {said}. {listed} Name one of them.")
    log.info("Opening the data set %s failed: %s", place, text[:500])
    return MedReasonError(
        f"The data set {place} cannot be opened ({type(fault).__name__}). Check its name and the network, or "
        "download one of its files and give its path."
    )


def _configurations(place: str, commit: str) -> str:
    import datasets

    try:
        return ", ".join(datasets.get_dataset_config_names(place, revision=commit or None)[:20])
    except Exception:  # only a help with the sentence
        return ""


def _quiet() -> None:
    """No progress bars and no telemetry: the rows' progress is told by `hear`."""
    import os

    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
