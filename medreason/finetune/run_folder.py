"""The folder of one run: refused where it holds something else, made, and held by one process at a time."""

import fcntl
import os
from pathlib import Path

from medreason.errors import Busy, MedReasonError
from medreason.finetune.checkpoints import CHECKPOINTS
from medreason.finetune.manifest import ADAPTER, read_manifest
from medreason.finetune.progress import METRICS_FILE, STATE_FILE

CONFIG_FILE = "config.yaml"
# What the app may have put there before the run's process starts.
OF_THE_APP = (CONFIG_FILE, "train.log", "process.json", "stop.json", "exit.json", "ticket.json", "title.json")


def refuse_output(output: Path) -> None:
    """Refuse a folder for a new run that holds a run or anything else, or that cannot be made."""
    if output.is_dir():
        inside = {one.name for one in output.iterdir()}
        if inside & {STATE_FILE, METRICS_FILE, ADAPTER, CHECKPOINTS}:
            raise MedReasonError(
                f"{output} already holds a run. Give another --output-dir, or --resume to let that run go on."
            )
        if any(not name.lstrip(".").startswith(OF_THE_APP) for name in inside):
            raise MedReasonError(f"{output} is not empty. Give a new folder as --output-dir.")
    elif os.path.lexists(output):
        raise MedReasonError(f"{output} is not a folder. Give another --output-dir.")
    nearest = next(one for one in (output, *output.parents) if one.is_dir())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise MedReasonError(f"{output} cannot be written. Give another --output-dir, or change permissions.")


def refuse_resume(output: Path) -> None:
    """Refuse to go on in a folder without a run, or with one that has made all its steps."""
    if not output.is_dir() or not (output / CONFIG_FILE).is_file():
        raise MedReasonError(f"There is no run in {output} to resume. Give the folder of an ended run.")
    manifest = read_manifest(output / ADAPTER)
    if manifest is not None and manifest.get("stopped_at") is None:
        raise MedReasonError(f"The run {output.name} has made all its steps. Start a new run to train further.")
    if not os.access(output, os.W_OK | os.X_OK):
        raise MedReasonError(f"{output} cannot be written. Change its permissions, then resume the run.")


def make_folders(output: Path) -> list[Path]:
    """Make `output`; returns the topmost folder that was made for it, if any."""
    missing = [one for one in (output, *output.parents) if not one.exists()]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise MedReasonError(f"{output} cannot be made ({fault.strerror}).") from fault
    return missing[-1:]


def hold(output: Path) -> int:
    """Hold the folder to the end of this process, however that comes; gives what keeps it held. Raises `Busy`
    where another process is at work in it."""
    held = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Busy(f"Another process is at work in {output}. Wait for it to end, or stop it.") from None
    except OSError:
        pass  # a disk that knows no locks: the run goes on without
    return held
