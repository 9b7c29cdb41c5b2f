"""The child process that trains: launched, recognised again, stopped.

A process is only ever taken for the run's own when its number, its start and the run's random token all agree,
so a stranger that was given the same number is neither adopted nor signalled. Knows nothing of what runs in it.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

PROCESS_FILE = "process.json"
EXIT_FILE = "exit.json"
STOP_FILE = "stop.json"
GRACE_S = 60.0


@dataclass(frozen=True)
class Process:
    """How a run's process is known again. `start_mark` is the kernel's own mark of its start."""

    pid: int
    start_mark: float
    token: str
    started_at: str


class Reaper(threading.Thread):
    """Waits for a child and writes how it ended, so that no zombie stays and the exit code is on disk."""

    def __init__(self, child: subprocess.Popen, folder: Path):
        super().__init__(name=f"reaper-{child.pid}", daemon=True)
        self.child, self.folder = child, folder

    def run(self) -> None:
        code = self.child.wait()
        try:
            _write_whole(self.folder / EXIT_FILE, {"code": code})
        except OSError:
            pass  # the run's folder is gone: nobody will ask


def launch(
    argv: Sequence[str], folder: Path, log: Path, token: str, started_at: str, keep_fds: Sequence[int] = ()
) -> tuple[Process, Reaper]:
    """Start `argv` in its own session, without a shell, its output going to `log`; write `process.json`.
    `keep_fds` stay open in the child (a lock that ends with it)."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with open(log, "ab") as output:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(keep_fds),
            env=environment,
        )
    try:
        process = Process(child.pid, start_mark(child.pid), token, started_at)
        _write_whole(folder / PROCESS_FILE, asdict(process))
    except BaseException:
        child.kill()
        child.wait()
        raise
    reaper = Reaper(child, folder)
    reaper.start()
    return process, reaper


def start_mark(pid: int) -> float:
    """When a process started, by a clock that nobody sets: ticks since boot where /proc tells them."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return float(file.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return psutil.Process(pid).create_time()


def read_process(folder: Path) -> Process | None:
    try:
        found = json.loads((folder / PROCESS_FILE).read_text(encoding="utf-8"))
        return Process(
            int(found["pid"]), float(found["start_mark"]), str(found["token"]), str(found["started_at"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_exit_code(folder: Path, wait_for: Process | None = None) -> int | None:
    """How the child ended, where the app that launched it was there to see it; negative for a signal.
    `wait_for` a process that this one launched: its code is about to be written."""
    if wait_for is not None:
        for thread in threading.enumerate():
            if thread.name == f"reaper-{wait_for.pid}":
                thread.join(timeout=2.0)
    try:
        return int(json.loads((folder / EXIT_FILE).read_text(encoding="utf-8"))["code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def alive(process: Process) -> bool:
    """True while this very process runs; False for a zombie, a stranger with its number, or nothing."""
    try:
        found = psutil.Process(process.pid)
        return (
            found.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
            and abs(start_mark(process.pid) - process.start_mark) < 1.0
            and bool(process.token)
            and process.token in found.cmdline()
        )
    except (psutil.Error, OSError):
        return False


def stop(process: Process, folder: Path, grace_s: float = GRACE_S) -> None:
    """Ask the run to end; after `grace_s` end its whole process group by force. Called again it changes
    nothing, except that a run whose grace is over is ended at once."""
    if not alive(process):
        return
    try:
        with open(folder / STOP_FILE, "x", encoding="utf-8") as file:
            json.dump({"asked_at": time.time()}, file)
    except FileExistsError:
        if time.time() - asked_to_stop_at(folder) > grace_s:
            _signal(process, signal.SIGKILL)
        return
    _signal(process, signal.SIGTERM)
    threading.Thread(target=_end_after, args=(process, grace_s), name=f"grace-{process.pid}", daemon=True).start()


def asked_to_stop(folder: Path) -> bool:
    return (folder / STOP_FILE).exists()


def asked_to_stop_at(folder: Path) -> float:
    """Wall-clock time of the request to stop; now, where it cannot be read."""
    try:
        return (folder / STOP_FILE).stat().st_mtime
    except OSError:
        return time.time()


def _end_after(process: Process, grace_s: float) -> None:
    until = time.monotonic() + grace_s
    while time.monotonic() < until:
        if not alive(process):
            return
        time.sleep(0.2)
    _signal(process, signal.SIGKILL)


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the group that the child leads, after one more look that it is the child."""
    if alive(process):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass


def _write_whole(path: Path, content: dict) -> None:
    building = path.with_name(path.name + ".new")
    building.write_text(json.dumps(content), encoding="utf-8")
    os.replace(building, path)
