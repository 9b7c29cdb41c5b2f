"""The few exceptions of the program. Each message is a plain sentence for the person who reads it.

They are raised where the fault is known and caught at the edge (a page, a command), which shows the
message and nothing else. Anything that is not a `MedReasonError` is a defect and keeps its traceback
in the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class MedReasonError(Exception):
    """Something the user can understand and mend; `str(error)` names the thing and the remedy."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one field: what it was, and what to do about it."""

    field: str
    value: object
    remedy: str

    def __str__(self) -> str:
        if self.value is None or self.value == "":
            return f"{self.field}: {self.remedy}"
        shown = repr(self.value)
        if len(shown) > 60:
            shown = shown[:57] + "…" + shown[-1]
        return f"{self.field} is {shown}: {self.remedy}"


class Invalid(MedReasonError):
    """A value that failed its checks on construction; carries every fault found, not only the first."""

    def __init__(self, faults: Sequence[Fault]):
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults) + ".")


class NotAllowed(MedReasonError):
    """The user's role does not permit what was asked."""


class NotFound(MedReasonError):
    """The named thing (case, pair, run, adapter) does not exist."""


class Busy(MedReasonError):
    """Somebody else is using what was asked for; trying again later will do."""


class NotReady(MedReasonError):
    """The model is still loading, or failed to load or failed its self-test; the message says which."""
