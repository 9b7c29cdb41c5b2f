"""Drawn tokens on their way from the device to whoever waits for them.

On a GPU they are copied while the next step runs and read a step late, so that the device never waits for the
host. Elsewhere they are read at once.
"""

from collections import deque
from typing import NamedTuple

import torch
from torch import Tensor

from medreason.engine.decoder import Row


class Sent(NamedTuple):
    """Tokens of one draw: `rows` say whose each is (None: nobody's)."""

    rows: tuple[Row | None, ...]
    tokens: Tensor
    copied: torch.cuda.Event | None


class Reading:
    """`send` what was drawn, `read` what has come. `late` where one draw may be on its way while the next runs."""

    def __init__(self, device: torch.device, late: bool):
        self.late = late and device.type == "cuda"
        self._sent: deque[Sent] = deque()

    def __bool__(self) -> bool:
        return bool(self._sent)

    def send(self, rows: tuple[Row | None, ...], tokens: Tensor) -> None:
        """`tokens` [len(rows)] may be overwritten as soon as this returns."""
        if not self.late:
            self._sent.append(Sent(rows, tokens.to("cpu", copy=True), None))
            return
        host = torch.empty(len(rows), dtype=torch.int64, pin_memory=True)
        host.copy_(tokens, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record()
        self._sent.append(Sent(rows, host, copied))

    def read(self) -> list[tuple[Row, int]]:
        """Everything sent, or all but the newest where reading is late; in the order of drawing."""
        found: list[tuple[Row, int]] = []
        while len(self._sent) > (1 if self.late else 0):
            rows, tokens, copied = self._sent.popleft()
            if copied is not None:
                copied.synchronize()
            found += [(row, token) for row, token in zip(rows, tokens.tolist(), strict=True) if row is not None]
        return found

    def forget(self) -> None:
        self._sent.clear()
