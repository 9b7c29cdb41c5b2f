"""The one thread that works with the model: it takes requests from the line between steps and gives them its
tokens.

Orders (load, unload, another adapter) stand in the same line: they wait for running answers, and whoever comes
after waits for them. A fault ends the request it belongs to, not the thread. Where memory does not suffice for a
request that has said nothing yet, it is put off until another has ended; alone it has to do with what there is.
"""

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import torch

from medreason.domain.answers import Finish
from medreason.domain.arms import Arm
from medreason.engine.begun import Begun
from medreason.engine.decoder import Broken, Decoder, Row
from medreason.engine.faults import gpu_is_lost, out_of_memory, plain
from medreason.engine.order import Order
from medreason.engine.request import Request
from medreason.errors import MedReasonError, NotReady

log = logging.getLogger(__name__)

END_WITHIN_S = 10.0
ENDED = "The app is ending. Ask again when it runs."


class Desk(Protocol):
    """What the thread works for."""

    @property
    def decoder(self) -> Decoder | None: ...

    @property
    def stops(self) -> frozenset[int]: ...

    def arms_of(self, request: Request) -> tuple[Arm, ...]: ...

    def open(self, request: Request) -> list[Row]:
        """Begin `request` and give its rows; none where it has ended already. Raises where nothing can answer."""
        ...

    def lost(self) -> None:
        """The GPU answers no more."""
        ...


class EngineThread:
    """Starts with the first work it is given, and ends with `end` or with its desk."""

    def __init__(self, desk: Desk):
        self._desk = weakref.ref(desk)
        self._line: deque[Request | Order] = deque()
        self._begun = Begun()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._rested = False
        self._ended = False
        weakref.finalize(desk, self.end)

    @property
    def settled(self) -> bool:
        return self._rested and not self._line and not self._begun.all

    def enter(self, request: Request) -> None:
        self._join(request)

    def order(self, work: Callable[[], Any]) -> None:
        """Have `work` done once every running answer has ended; returns then, or raises what it raised."""
        order = Order(work)
        self._join(order)
        order.wait()

    def end(self) -> None:
        """Also called when the program ends: a thread that is still within torch then would take it down."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(END_WITHIN_S)

    def _join(self, one: Request | Order) -> None:
        with self._changed:
            if self._ended:
                one.refuse(NotReady(ENDED))
                return
            self._line.append(one)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._rested and not self._line and not self._begun.all and not self._ended:
                    self._changed.wait()
                if self._ended:
                    self._send_away()
                    return
            desk = self._desk()
            if desk is None:
                return
            try:
                self._round(desk)
            except Exception as fault:
                log.exception("The engine's thread failed")
                if not self._lost(fault, desk):
                    self._begun.end_all(plain(fault), desk.decoder)
            del desk

    def _send_away(self) -> None:
        """Nobody is served any more."""
        self._begun.end_all(ENDED, None)
        while self._line:
            self._line.popleft().refuse(NotReady(ENDED))

    def _round(self, desk: Desk) -> None:
        self._serve(desk)
        decoder = desk.decoder
        if decoder is None:
            self._rested = True
            return
        self._let_go(decoder)
        if self._begun.running:
            self._step(desk, decoder)
            self._rested = False
        elif not self._line and not self._begun.waiting:
            self._rested = not self._rest(decoder)

    def _serve(self, desk: Desk) -> None:
        """One order, or one request with room for its rows; those put off come before the line."""
        if self._begun.waiting:
            due = self._begun.due()
            if due is not None:
                self._take_in(due, desk)
            return
        if not self._line:
            return
        head = self._line[0]
        if isinstance(head, Order):
            if not self._begun.running:
                self._line.popleft()
                head.run()
                self._rested = False
            return
        decoder = desk.decoder
        wanted = len(desk.arms_of(head))
        if decoder is not None and self._begun.running and len(decoder.rows) + wanted > decoder.most_rows:
            return
        self._line.popleft()
        if head.admit():
            self._admit(desk, head)

    def _admit(self, desk: Desk, request: Request) -> None:
        arms = desk.arms_of(request)
        try:
            if request.gone():
                request.withdraw()
                return
            rows = desk.open(request)
        except MedReasonError as fault:
            request.refuse(fault)
        except Exception as fault:
            log.exception("Preparing the question failed")
            request.fail(plain(fault), arms)
        else:
            if rows:
                self._take_in(request, desk)

    def _take_in(self, request: Request, desk: Desk) -> None:
        decoder = desk.decoder
        assert decoder is not None
        self._begun.running.append(request)
        try:
            decoder.prefill(request.rows)
        except Exception as fault:
            self._give_way(request, fault, desk, decoder)

    def _give_way(self, request: Request, fault: BaseException, desk: Desk, decoder: Decoder) -> None:
        """A fault that belongs to this running request, or may: it ends, or waits where others have the memory."""
        if self._lost(fault, desk):
            return
        if out_of_memory(fault) and self._begun.put_off(request, decoder):
            log.warning("A question waits for memory that others have")
        else:
            log.error("A request failed", exc_info=fault)
            self._begun.end(request, plain(fault), decoder)
        _tidy(fault)

    def _let_go(self, decoder: Decoder) -> None:
        """End the requests whose readers have left or pressed Stop."""
        for request in self._begun.all:
            try:
                how: Finish | str | None = Finish.CANCELLED if request.gone() else None
            except Exception as fault:
                log.exception("Asking whether to stop failed")
                how = plain(fault)
            if how is not None:
                self._begun.end(request, how, decoder)

    def _step(self, desk: Desk, decoder: Decoder) -> None:
        try:
            drawn = decoder.step()
        except Broken as broken:
            self._break(broken, desk, decoder)
        except Exception as fault:
            # Nothing tells whose it is. The last to come may have been one too many; the step is made again
            # without it.
            self._give_way(self._begun.running[-1], fault, desk, decoder)
        else:
            owners = {row: request for request in self._begun.running for row in request.rows}
            for row, token in drawn:
                if row in owners:
                    owners[row].take(row, token, desk.stops)
                if row not in owners or row not in owners[row].rows:
                    decoder.free(row)
        self._begun.drop_ended()

    def _break(self, broken: Broken, desk: Desk, decoder: Decoder) -> None:
        """Some rows cannot go on: whole requests give way, others go on with the arm that can."""
        cause = broken.__cause__ or broken
        if self._lost(cause, desk):
            return
        for request in list(self._begun.running):
            rows = [row for row in request.rows if row in broken.rows]
            if len(rows) == len(request.rows):
                self._give_way(request, cause, desk, decoder)
                continue
            for row in rows:
                log.error("A row failed", exc_info=cause)
                request.end(row, plain(cause))
                decoder.free(row)
                _tidy(cause)

    def _lost(self, fault: BaseException, desk: Desk) -> bool:
        """Whether the fault has taken the GPU with it; then all requests have ended."""
        if not gpu_is_lost():
            return False
        log.error("The GPU answers no more", exc_info=fault)
        self._begun.end_all(plain(fault), None)
        desk.lost()
        return True

    def _rest(self, decoder: Decoder) -> bool:
        try:
            return decoder.rest()
        except Exception:
            log.exception("Preparing for later questions failed")
            return False


def _tidy(fault: BaseException) -> None:
    if out_of_memory(fault) and torch.cuda.is_available():
        torch.cuda.empty_cache()
