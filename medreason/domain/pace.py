"""How far a piece of work is, and how long what is left may take."""

import time
from collections.abc import Callable


def about(seconds: float) -> str:
    """A coarse time left, which does not pretend to know seconds."""
    if seconds < 50:
        return "less than a minute"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}"
    if minutes < 36 * 60:
        return f"about {minutes // 60} h {minutes % 60} min"
    return f"about {seconds / 86_400:,.0f} days"


class Pace:
    """`total` equal pieces, counted as they are done. `clock` tells seconds."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic):
        self.total, self.done = total, 0
        self._clock, self._began = clock, clock()

    def step(self) -> None:
        self.done += 1

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest takes at the pace so far; None before the first piece and after the last."""
        if not 0 < self.done < self.total:
            return None
        return (self._clock() - self._began) / self.done * (self.total - self.done)

    @property
    def words(self) -> str:
        """“about 4 minutes left”; empty while it cannot be told."""
        return "" if self.left_s is None else f"{about(self.left_s)} left"
