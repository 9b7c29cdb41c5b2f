"""The requests that have begun: those that are being answered, and those put off until another has ended and there
is memory for them. Used by the engine's thread only.
"""

from collections import deque

from medreason.domain.answers import Finish
from medreason.engine.decoder import Decoder
from medreason.engine.request import Request


class Begun:
    """`running` stand in the decoder, in the order in which they came."""

    def __init__(self) -> None:
        self.running: list[Request] = []
        self._put_off: deque[Request] = deque()
        self._too_many = 0  # so many running left no room for the one put off last

    @property
    def all(self) -> list[Request]:
        return [*self.running, *self._put_off]

    @property
    def waiting(self) -> bool:
        """Whether any is put off."""
        return bool(self._put_off)

    def due(self) -> Request | None:
        """The one put off first, where another has ended since: it is put off no more."""
        if self._put_off and (not self.running or len(self.running) < self._too_many):
            return self._put_off.popleft()
        return None

    def put_off(self, request: Request, decoder: Decoder) -> bool:
        """Let a running request wait, if it has said nothing yet and others run that will end; tells whether."""
        others = len(self.running) - 1
        if not others or not request.silent:
            return False
        self.running.remove(request)
        for row in request.rows:
            decoder.free(row)
        request.renew()
        self._put_off.append(request)
        self._too_many = others
        return True

    def end(self, request: Request, how: Finish | str, decoder: Decoder) -> None:
        for row in request.rows:
            decoder.free(row)
        request.end_all(how)
        for some in (self.running, self._put_off):
            if request in some:
                some.remove(request)

    def end_all(self, how: str, decoder: Decoder | None) -> None:
        """End every request, and leave no row in the decoder, where there still is one."""
        for request in self.all:
            request.end_all(how)
        self.running.clear()
        self._put_off.clear()
        if decoder is not None:
            for row in decoder.rows:
                decoder.free(row)

    def drop_ended(self) -> None:
        self.running = [request for request in self.running if request.rows]
