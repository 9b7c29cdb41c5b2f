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
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from medreason.whole_file import read_json, write_json

PROCESS_FILE = "process.json"
EXIT_FILE = "exit.json"
STOP_FILE = "stop.json"
GRACE_S = 60.0
# Who asks for the adapter as it stands waits for the step at hand, a last evaluation and the writing.
SAVING_TAKES = 5.0
LOOK_EVERY_S = 0.2
SHOWS_WITHIN_S = 5.0


@dataclass(frozen=True)
class Process:
    """How a run's process is known again. `start_mark` is the kernel's own mark of its start."""

    pid: int
    start_mark: float
    token: str
    started_at: str


@dataclass(frozen=True)
class StopRequest:
    """`since_boot_s` is when it was asked, by a clock that nobody sets and all processes share; None where the
    request cannot be read. With `save` the adapter is kept as it stands."""

    save: bool = False
    since_boot_s: float | None = None


class Reaper(threading.Thread):
    """Waits for a child and writes how it ended, so that no zombie stays and the exit code is on disk."""

    def __init__(self, child: subprocess.Popen, folder: Path, token: str):
        super().__init__(name=f"reaper-{child.pid}", daemon=True)
        self.child, self.folder, self.token = child, folder, token

    def run(self) -> None:
        code = self.child.wait()
        with suppress(OSError):  # the run's folder is gone: nobody will ask
            write_json(self.folder / EXIT_FILE, {"code": code, "token": self.token})


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
        _wait_until_it_shows(process, child)
        write_json(folder / PROCESS_FILE, asdict(process))
    except BaseException:
        child.kill()
        child.wait()
        raise
    reaper = Reaper(child, folder, token)
    reaper.start()
    return process, reaper


def _wait_until_it_shows(process: Process, child: subprocess.Popen) -> None:
    """For some milliseconds a new process has no command line yet, and would be taken for a stranger."""
    until = time.monotonic() + SHOWS_WITHIN_S
    while not alive(process) and child.poll() is None and time.monotonic() < until:
        time.sleep(0.001)


def record_own(folder: Path, token: str, started_at: str) -> None:
    """Write `process.json` for this very process, unless it is there already. A full disk is no fault: the app
    writes the same."""
    me = Process(os.getpid(), start_mark(os.getpid()), token, started_at)
    if read_process(folder) != me:
        with suppress(OSError):
            write_json(folder / PROCESS_FILE, asdict(me))


def forget(folder: Path) -> None:
    """Remove what an earlier process of the run has left, before another one is started."""
    for name in (PROCESS_FILE, EXIT_FILE, STOP_FILE):
        (folder / name).unlink(missing_ok=True)


def start_mark(pid: int) -> float:
    """When a process started, by a clock that nobody sets: ticks since boot where /proc tells them."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return float(file.read().rsplit(b")", 1)[1].split()[19])
    except (OSError, IndexError, ValueError):
        return psutil.Process(pid).create_time()


def read_process(folder: Path) -> Process | None:
    found = read_json(folder / PROCESS_FILE) or {}
    try:
        return Process(
            int(found["pid"]), float(found["start_mark"]), str(found["token"]), str(found["started_at"])
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def read_exit_code(folder: Path, process: Process) -> int | None:
    """How `process` ended, where the app that launched it was there to see it; negative for a signal. Where this
    app launched it, its code is about to be written, and this waits for it."""
    for thread in threading.enumerate():
        if thread.name == f"reaper-{process.pid}":
            thread.join(timeout=2.0)
    found = read_json(folder / EXIT_FILE) or {}
    code = found.get("code")
    return code if isinstance(code, int) and found.get("token", process.token) == process.token else None


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


def ask_to_stop(folder: Path, save: bool = False) -> bool:
    """Leave word that the run is to end; False where it was asked before and this adds nothing. To give up what
    was to be saved adds something. Raises `OSError` where it cannot be written."""
    asked = read_stop(folder)
    content = {"asked_at": time.time(), "save": save, "since_boot_s": time.monotonic()}
    if asked is not None and (save or not asked.save):
        return False
    if asked is not None:
        write_json(folder / STOP_FILE, content)
        return True
    try:
        with open(folder / STOP_FILE, "x", encoding="utf-8") as file:
            json.dump(content, file)
    except FileExistsError:
        return False
    return True


def stop(process: Process, folder: Path, grace_s: float = GRACE_S, save: bool = False) -> None:
    """Ask the run to end; after `grace_s`, five times as long with `save`, end its whole process group by force.
    Called again it changes nothing, except that a run whose grace is over is ended at once, and that a run that
    was to save is told not to."""
    if not alive(process):
        return
    guarded = any(thread.name == _guard_name(process) for thread in threading.enumerate())
    with suppress(OSError):  # a full disk: the signal alone must do
        guarded &= not ask_to_stop(folder, save)
    asked = read_stop(folder) or StopRequest()
    left_s = grace_s * SAVING_TAKES if asked.save else grace_s
    if asked.since_boot_s is not None:
        left_s -= time.monotonic() - asked.since_boot_s
    if left_s < 0:
        _end_after(process, 0.0)
    elif not guarded:  # nobody has asked yet, or the app that did may have died before it signalled
        _signal(process, signal.SIGTERM)
        args = (process, left_s)
        threading.Thread(target=_end_after, args=args, name=_guard_name(process), daemon=True).start()


def asked_to_stop(folder: Path) -> bool:
    return (folder / STOP_FILE).exists()


def read_stop(folder: Path) -> StopRequest | None:
    """The request to stop, or None where there is none."""
    if not asked_to_stop(folder):
        return None
    found = read_json(folder / STOP_FILE) or {}
    since = found.get("since_boot_s")
    return StopRequest(found.get("save") is True, since if isinstance(since, float) else None)


def _guard_name(process: Process) -> str:
    return f"grace-{process.pid}"


def _end_after(process: Process, grace_s: float) -> None:
    """Give the process so long to end, then see to it that it and all that it has started are gone."""
    until = time.monotonic() + grace_s
    below: set[psutil.Process] = set()
    while alive(process):
        with suppress(psutil.Error):
            below |= set(psutil.Process(process.pid).children(recursive=True))
        if time.monotonic() >= until:
            break
        time.sleep(LOOK_EVERY_S)
    _signal(process, signal.SIGKILL)
    for one in below:
        with suppress(psutil.Error):
            one.kill()  # psutil compares start times first, so a stranger with its number is left alone


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal the group that the child leads, after one more look that it is the child."""
    if alive(process):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
