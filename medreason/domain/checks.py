"""Collects every fault of a value before it is refused, so that nobody mends a form one line at a time."""

import math
import re
from collections.abc import Collection

from medreason.errors import Fault, Invalid

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Checks:
    """Gathers faults; `done()` raises `Invalid` with all of them if there were any."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def require(self, holds: bool, field: str, value: object, remedy: str) -> bool:
        if not holds:
            self.faults.append(Fault(field, value, remedy))
        return holds

    def number(
        self,
        field: str,
        value: object,
        minimum: float,
        maximum: float,
        whole: bool = False,
    ) -> bool:
        """A finite number in `minimum..maximum` (both included); `whole` asks for an int, never a bool."""
        kind_ok = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        kind = "a whole number" if whole else "a number"
        remedy = f"give {kind} from {minimum:g} to {maximum:g}"
        in_range = (
            kind_ok and isinstance(value, (int, float)) and math.isfinite(value) and minimum <= value <= maximum
        )
        return self.require(in_range, field, value, remedy)

    def text(self, field: str, value: object, longest: int, empty_ok: bool = False) -> bool:
        """A string that can be stored: no NUL, no lone surrogate, at most `longest` characters."""
        if not isinstance(value, str):
            return self.require(False, field, value, "give text")
        if not empty_ok and not value.strip():
            return self.require(False, field, value, "must not be empty")
        if len(value) > longest:
            return self.require(False, field, value, f"has {len(value):,} characters; shorten it to {longest:,}")
        return self.require(
            UNSTORABLE.search(value) is None, field, value, "holds characters that cannot be stored"
        )

    def choice(self, field: str, value: object, choices: Collection[object]) -> bool:
        listed = ", ".join(str(choice) for choice in choices)
        return self.require(value in choices, field, value, f"choose one of {listed}")

    def done(self) -> None:
        if self.faults:
            raise Invalid(self.faults)
