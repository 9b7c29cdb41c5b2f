"""A number with its interval, or the reason why there is none.

Nothing here is ever NaN or infinite: what cannot be computed is `NA`, and `NA` says why in words.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class NA:
    """Not available; `reason` is a phrase for the reader of the table."""

    reason: str

    def __post_init__(self) -> None:
        if not self.reason:
            raise ValueError("a missing number needs a reason")

    def __str__(self) -> str:
        return "NA"


Number = float | NA
Count = int | NA

FEW_FOR_TEST = 6
FEW_FOR_INTERVAL = 10
NO_TEST = NA(f"fewer than {FEW_FOR_TEST} cases")
NO_INTERVAL = NA(f"fewer than {FEW_FOR_INTERVAL} cases")


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval. `method` says how it was made; `n_undefined` counts the resamples in
    which the number could not be computed and which were left out."""

    low: float
    high: float
    method: str
    n_undefined: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"an interval has two finite ends, not {self.low} and {self.high}")


@dataclass(frozen=True)
class Estimate:
    """A point estimate and its interval, either of which may be NA."""

    value: Number
    interval: Interval | NA

    def __post_init__(self) -> None:
        if not isinstance(self.value, NA) and not math.isfinite(self.value):
            raise ValueError(f"an estimate is finite or NA, not {self.value}")

    @property
    def low(self) -> Number:
        return self.interval if isinstance(self.interval, NA) else self.interval.low

    @property
    def high(self) -> Number:
        return self.interval if isinstance(self.interval, NA) else self.interval.high

    @property
    def method(self) -> str:
        return "" if isinstance(self.interval, NA) else self.interval.method

    @classmethod
    def missing(cls, reason: str) -> "Estimate":
        return cls(NA(reason), NA(reason))


def number(value: float, reason: str) -> Number:
    """`value` as a plain float; NA with `reason` where it is NaN or infinite."""
    plain = float(value)
    return plain if math.isfinite(plain) else NA(reason)
