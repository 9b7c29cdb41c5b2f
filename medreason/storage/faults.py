"""What a database's refusal means, in words for whoever was saving or reading."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from medreason.errors import Busy, MedReasonError

BUSY = "Not saved, the database is busy. Try again in a moment."
# The drivers' own words, SQLite's and PostgreSQL's.
BUSY_WORDS = ("locked", "busy", "lock timeout", "too many clients", "remaining connection slots", "deadlock")
FULL_WORDS = ("full", "no space left", "disk i/o", "could not extend", "could not write", "unable to open")
READ_ONLY_WORDS = ("readonly", "read-only")
GONE_WORDS = ("connection", "terminating", "server closed", "shutting down", "starting up")


def reason(fault: DBAPIError) -> str:
    """The driver's own words, one line, without a full stop."""
    words = str(fault.orig).strip()
    return words.splitlines()[0].rstrip(".") if words else "no reason given"


def not_saved(fault: DBAPIError | NoConnectionFree) -> MedReasonError:
    """What to tell whoever was saving."""
    if isinstance(fault, NoConnectionFree):
        return Busy(BUSY)
    words = reason(fault)
    said = words.casefold()
    if any(word in said for word in BUSY_WORDS):
        return Busy(BUSY)
    if any(word in said for word in READ_ONLY_WORDS):
        return MedReasonError("Not saved, the disk or the database is read-only. Ask whoever runs this computer.")
    if any(word in said for word in FULL_WORDS):
        return MedReasonError("Not saved, the disk is full or faulty. Free some space.")
    if any(word in said for word in GONE_WORDS):
        return Busy("Not saved, the database cannot be reached. Try again in a moment.")
    return MedReasonError(f"Not saved, the database refused it ({words}).")


def not_read(fault: DBAPIError | NoConnectionFree) -> MedReasonError:
    """What to tell whoever was reading."""
    words = "it is busy" if isinstance(fault, NoConnectionFree) else reason(fault)
    return MedReasonError(
        f"The stored data could not be read ({words}). Try again; if it stays so, restart, "
        "and ask app.py doctor what is wrong."
    )
