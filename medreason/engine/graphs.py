"""CUDA graphs by name: a piece of work over fixed tensors, captured once and replayed at the cost of one
launch."""

from collections.abc import Callable
from typing import Any

import torch

WARM_UPS = 2


class Graphs:
    """Graphs of one device, replayed one after the other, so that they share one pool of memory. What a graph
    reads and writes has to stay where it is; `drop` forgets them all where it moved."""

    def __init__(self) -> None:
        self._graphs: dict[tuple, torch.cuda.CUDAGraph] = {}
        self._pool: Any = None
        # One for all captures: a library keeps a workspace for each stream that it has seen, 32 MiB on an H100.
        self._aside: Any = None

    def __contains__(self, name: tuple) -> bool:
        return name in self._graphs

    @property
    def names(self) -> list[tuple]:
        return list(self._graphs)

    def replay(self, name: tuple) -> None:
        self._graphs[name].replay()

    def capture(self, name: tuple, work: Callable[[], None]) -> None:
        """Run `work` a few times, as kernels and libraries settle on their first runs, then record it. It must
        bear being run again."""
        self._aside = self._aside or torch.cuda.Stream()
        self._aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream().wait_stream(self._aside)
        torch.cuda.synchronize()
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # Other threads may allocate meanwhile without spoiling the recording.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            work()
        self._graphs[name] = graph

    def drop(self, name: tuple | None = None) -> None:
        """Forget one graph, or all."""
        if name is not None:
            self._graphs.pop(name, None)
        else:
            self._graphs.clear()
            self._pool = None
