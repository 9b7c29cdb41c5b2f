"""How many threads of the CPU a step uses. Reading a prompt wants them all; a step mostly waits for memory,
where more threads may only wait for each other. What is quickest is measured.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

ROUNDS = 3
WORTH = 0.95  # more threads have to save this much; those left alone serve the page, or a training run


class Threads:
    """`count` is how many a step uses: all of them until `tune` has measured."""

    def __init__(self) -> None:
        self.all = self.count = torch.get_num_threads()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within it this thread's work uses `count` threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.count)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def tune(self, work: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> None:
        """Choose by the quickest of a few runs of `work`, in turns, so that what else the machine does decides
        little. `clock` tells seconds."""
        counts = sorted({1, 2, 4, 8, self.all} & set(range(1, self.all + 1)))
        best = dict.fromkeys(counts, float("inf"))
        for _ in range(ROUNDS if len(counts) > 1 else 0):
            for self.count in counts:
                with self.used():
                    began = clock()
                    work()
                    best[self.count] = min(best[self.count], clock() - began)
        chosen = counts[0]
        for count in counts[1:]:
            if best[count] < WORTH * best[chosen]:
                chosen = count
        self.count = chosen
