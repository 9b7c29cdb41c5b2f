"""A run's place in the line: a number, and the lock that says that somebody is behind it.

The lock on a ticket is taken by the app that issues it and inherited by the run's process, so a ticket counts from
its first moment until that process has ended, and never longer. Numbers only order; no clock is asked. Knows
nothing of what the runs do.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from medreason.errors import Busy
from medreason.file_lock import LOOKED_AT_S, FileLock

TICKET_FILE = "ticket.json"
DESK_FILE = ".tickets.lock"
DESK_WITHIN_S = 10.0
LARGEST_NUMBER = 2**53


@dataclass(frozen=True)
class Ticket:
    """`token` is what the run's process shows on its command line; empty for one started by hand. `elsewhere` says
    that the run uses nothing of this computer, so that nobody waits for it."""

    number: int
    token: str = ""
    started_at: str = ""
    elsewhere: bool = False


@contextmanager
def desk(runs: Path) -> Iterator[None]:
    """One at a time may add a run below `runs` or issue a ticket. Raises `Busy` where somebody else takes long."""
    lock = FileLock(runs / DESK_FILE)
    if not lock.wait(DESK_WITHIN_S):
        raise Busy("Another MedReason app is starting a run on this data folder and does not end. Try again.")
    try:
        yield
    finally:
        lock.give_back()


def issue(runs: Path, run: Path, token: str = "", started_at: str = "", elsewhere: bool = False) -> FileLock:
    """A ticket behind all others, locked; call it at the `desk`. Raises `Busy` where a process is still at work on
    the run."""
    lock = FileLock(run / TICKET_FILE)
    if not lock.wait(LOOKED_AT_S):
        raise Busy(f"A process is still at work on run {run.name}. Wait for it to end, or stop it.")
    try:
        number = 1 + max((ticket.number for _, ticket in tickets(runs)), default=0)
        lock.write(json.dumps(asdict(Ticket(number, token, started_at, elsewhere))))
    except BaseException:
        lock.hand_over()
        raise
    return lock


def read_ticket(run: Path) -> Ticket | None:
    """The ticket of a run, or None where there is none that can be read."""
    try:
        found = json.loads(FileLock(run / TICKET_FILE).read())
        number = found["number"]
        if not isinstance(number, int) or not 0 <= number < LARGEST_NUMBER:
            return None
        elsewhere = found.get("elsewhere") is True
        return Ticket(number, str(found["token"]), str(found["started_at"]), elsewhere)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def tickets(runs: Path) -> list[tuple[Path, Ticket]]:
    """Every run with a readable ticket, whether anybody is behind it or not."""
    try:
        folders = [one for one in runs.iterdir() if not one.name.startswith(".") and not one.is_symlink()]
    except OSError:
        return []
    found = ((folder, read_ticket(folder)) for folder in folders)
    return [(folder, ticket) for folder, ticket in found if ticket is not None]


def has_process(run: Path) -> bool:
    """Whether somebody is behind a run's ticket: its process, or the app that is starting it."""
    return FileLock(run / TICKET_FILE).taken()


def in_line(runs: Path) -> list[tuple[Path, Ticket]]:
    """The runs of this computer that somebody is behind, in the order of their turns; the first one has the turn,
    or is next."""
    live = [(run, one) for run, one in tickets(runs) if not one.elsewhere and has_process(run)]
    return sorted(live, key=lambda one: one[1].number)
