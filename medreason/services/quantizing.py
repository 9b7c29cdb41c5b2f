"""Puts a base model into 4 bits for somebody who waits at the page: `training_scripts/quantize.py` as a child
process, so that the app's own memory stays as it is. What it says of its progress and its result is passed on.

Loads no torch. The new folder lies in the data folder, where it can be named as a base model.
"""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.user import Action, User
from medreason.errors import Busy, MedReasonError
from medreason.folder import DataFolder
from medreason.models.base import resolve_base
from medreason.models.gpu_lock import COMPARE, GpuLock, has_gpu
from medreason.services.background import Background, Report, Work
from medreason.services.serving import Serving

SCRIPT = Path(__file__).resolve().parents[2] / "training_scripts" / "quantize.py"
PROGRESS = re.compile(r"\s*(\d{1,3}) %\s+(.+)")
HOLDER = "quantizing"
LONGEST_NAME = 56


@dataclass(frozen=True)
class QuantizedBase:
    """A base in 4 bits. `name` is what to give as the base model; `report` is what the script found of it: files,
    memory before and after, how close its logits are."""

    name: str
    report: str


class Quantizing:
    """One piece of work for each user. On a GPU, Compare lets go of it meanwhile and loads again afterwards."""

    def __init__(self, folder: DataFolder, serving: Serving, script: Path = SCRIPT):
        self.folder = folder
        self.serving = serving
        self.script = script
        self._background = Background()

    def of(self, user: User) -> Work | None:
        """The user's running or last piece of work; its result is a `QuantizedBase`."""
        return self._background.of(user.id)

    def start(self, user: User, base: str, revision: str = "") -> Work:
        """Begin; returns at once. Refuses a base that is not there, and one that was quantized before."""
        user.require(Action.TRAIN)
        source = resolve_base(base, revision, self.folder, "none")
        name = quantized_name(Path(source.place if source.embedded else source.name).name)
        if (self.folder.models / name).exists():
            raise MedReasonError(f"This base has been quantized before. Give {name} as the base model.")
        self.folder.prepare()
        words = ["--model", base, "--revision", revision, "--out", str(self.folder.models / name)]
        command = [sys.executable, str(self.script), *words, "--data-dir", str(self.folder.root)]
        return self._background.start(user.id, "quantize", lambda report: self._run(user, command, name, report))

    def _run(self, user: User, command: list[str], name: str, report: Report) -> QuantizedBase:
        report(None, "Starting to quantize…")
        lock, put_away = GpuLock(self.folder), False
        try:
            if has_gpu():
                put_away = lock.holder() == COMPARE
                if put_away:
                    report(None, "Waiting for running answers, so that Compare can let go of the GPU…")
                    self.serving.release(user)
                if not lock.try_take(HOLDER):
                    raise Busy(f"{lock.busy_words()} Try again when it has ended.")
            return QuantizedBase(name, _child(command, report, str(self.folder.models), name))
        finally:
            lock.give_back()
            if put_away:
                self.serving.start_loading()


def quantized_name(base: str) -> str:
    """The folder's name for a base of this name: letters, digits, dots, dashes and underscores."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip(".-") or "base"
    return f"{plain[:LONGEST_NAME]}-nf4"


def _child(command: list[str], report: Report, models: str, name: str) -> str:
    """Run to the end; gives what was printed. Raises `MedReasonError` with the child's last words. Where the data
    folder lies on this computer is nobody's business, so for the folder of models all words say the bare name."""

    def plain(words: str) -> str:
        return words.replace(f"{models}/{name}", name).replace(f"{models}/", "").strip()

    last = ""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as child:
            for line in child.stderr or ():
                if found := PROGRESS.match(line):
                    report(min(int(found[1]), 100) / 100, plain(found[2]))
                elif line.strip():
                    last = plain(line)[:500]
        if child.returncode == 2 and last:
            raise MedReasonError(last)
        if child.returncode != 0:
            raise MedReasonError(
                f"Quantizing ended with a fault (exit code {child.returncode}), and nothing was kept. Most often "
                "the memory did not suffice; end what else uses it, then try again."
            )
        printed.seek(0)
        return plain(printed.read())
