"""How a step of the own model is run: directly on a CPU; on a GPU as a captured graph of compiled layers.

A graph is captured where it is first needed, in a fraction of a second with the layers as they are. Compiling
takes seconds, so it is done while the weights are loaded (`ahead`), before the engine answers (`patient`) or while
nobody asks (`improve`). What fails here is left out, with a line in the log; the step then runs the plainer way.
"""

import logging
import time
from collections.abc import Callable

import torch
from torch import Tensor

from medreason.engine import own_layer
from medreason.engine.cache import Cache
from medreason.engine.compiled import CompiledLayer
from medreason.engine.compiled_ahead import Ahead
from medreason.engine.graphs import Graphs
from medreason.engine.levers import Levers
from medreason.engine.own_model import OwnModel
from medreason.engine.sampler import draw
from medreason.engine.slots import Slots
from medreason.engine.threads import Threads

log = logging.getLogger(__name__)

COUNTS = (1, 2, 4, 8, 16, 32)
QUIET_S = 2.0  # without a step, before something is compiled for later ones
SHORT_S = 0.02


class Steps:
    """Runs steps over the first places of `slots`. `logits` [slots, vocabulary] holds the last step's."""

    def __init__(self, model: OwnModel, cache: Cache, slots: Slots, levers: Levers, ahead: Ahead | None = None):
        """`ahead` compiles beside this what will be needed; it is waited for before anything compiled is used."""
        self._model, self._cache, self._slots = model, cache, slots
        self._ahead = ahead
        self._cuda = model.device.type == "cuda"
        self._graphs = Graphs() if self._cuda and levers.graphs else None
        self._compiled = self._compiler() if self._cuda and levers.compiled else None
        self._uncaptured: set[tuple] = set()
        self._wishes: list[tuple[int, bool]] = []
        self._threads = Threads()
        self._stepped = 0.0
        self.patient = False
        most = len(slots.rows)
        self.logits = torch.zeros(most, model.vocabulary, device=model.device)
        self._drawn = torch.zeros(most, dtype=torch.int64, device=model.device)

    def _compiler(self) -> CompiledLayer | None:
        try:
            return CompiledLayer(self._model.shape)
        except Exception:
            log.exception("Layers run without compiling, because the compiler is not to be had")
            return None

    @property
    def captures(self) -> bool:
        """Whether steps are captured, so that it pays to make one before it is needed."""
        return self._graphs is not None

    def moved(self) -> None:
        """The cache, the weights or the positions are elsewhere now. What could not be captured is tried anew: it
        may have been for want of memory."""
        self._uncaptured.clear()
        if self._graphs is not None:
            self._graphs.drop()

    def changed(self) -> None:
        """The weights have other shapes, so that what was compiled for them does not serve."""
        self.moved()
        self._wishes.clear()
        if self._compiled is not None:
            self._compiled.ready.clear()

    def form(self, front: int, adapted: bool) -> tuple[int, bool]:
        """How many places a step over the first `front` computes, and whether with the adapter. On a GPU one of
        a few counts, each with a graph of its own; a graph that does more is taken where the exact one is not
        compiled."""
        if not self._cuda:
            return front, adapted
        exact = (next(count for count in COUNTS if count >= front), adapted)
        ready = self._compiled is not None and exact in self._compiled.ready
        if self._graphs is None or self.patient or ready:
            return exact
        self.wish(*exact)
        captured = [name[1:] for name in self._graphs.names if name[0] == "forward"]
        return min((form for form in captured if form[0] >= front and form[1] >= adapted), default=exact)

    def forward(self, count: int, adapted: bool) -> None:
        """The next logits of the first `count` places; keys and values go to their cells. May be run again."""
        self._stepped = time.monotonic()
        form = (count, adapted)
        if self._compiled is not None and self.patient and form not in self._compiled.ready:
            self._compile(form)
        self._run(("forward", *form), lambda: self._forward(*form))

    def tune(self, count: int, adapted: bool) -> None:
        """On a CPU, measure how many threads a step wants; rows stand in the places."""
        if not self._cuda:
            self._threads.tune(lambda: self._forward(count, adapted))

    def draw(self, count: int, candidates: int) -> Tensor:
        """The next token of each place, from the logits. May be run again."""
        self._run(("draw", count, candidates), lambda: self._draw(count, candidates))
        return self._drawn[:count]

    def wish(self, count: int, adapted: bool) -> None:
        """Have a step of this form compiled when there is time."""
        form = (count, adapted)
        if self._compiled is not None and form not in self._compiled.ready and form not in self._wishes:
            self._wishes.append(form)

    def improve(self) -> bool:
        """Compile one of the forms wished for, while no row is being decoded; False where there is none left. A
        question waits for a form at hand, up to some seconds, so none is begun right after a step."""
        if not self._wishes:
            return False
        if time.monotonic() - self._stepped < QUIET_S:
            time.sleep(SHORT_S)
            return True
        form = self._wishes.pop(0)
        self._compile(form)
        if self._graphs is not None:
            self._graphs.drop(("forward", *form))
            if self._compiled is not None and form[0] <= self._cache.slots:
                self.forward(*form)  # captured with compiled layers; what it writes is nobody's
        return bool(self._wishes)

    def _compile(self, form: tuple[int, bool]) -> None:
        assert self._compiled is not None
        if self._ahead is not None:
            self._ahead.wait()
            self._ahead = None
        try:
            self._compiled.make(self._model.layers[0], *form, self._cache.length)
        except Exception:
            log.exception("Layers run without compiling, because that failed")
            self._compiled = None
            self._wishes.clear()

    def _forward(self, count: int, adapted: bool) -> None:
        slots, cells = self._slots, self._slots.cell[:count]
        window = self._cache.length if self._cuda else max(slots.lengths[:count]) + 1
        seen = None
        if self._cuda or len(set(slots.lengths[:count])) > 1:
            seen = (torch.arange(window, device=cells.device) <= cells[:, None])[:, None, None]
        acting = slots.acting[:count] if adapted else None
        ready = self._compiled is not None and (count, adapted) in self._compiled.ready
        layer_step = self._compiled if ready and self._compiled is not None else own_layer.step
        caches = self._cache.view(count, window)
        self.logits[:count] = self._model.step(slots.token[:count], cells, caches, acting, seen, layer_step)

    def _draw(self, count: int, candidates: int) -> None:
        self._drawn[:count] = draw(self.logits[:count], self._slots.settings.of(slice(0, count)), candidates)

    def _run(self, name: tuple, work: Callable[[], None]) -> None:
        if self._graphs is not None and name not in self._graphs and name not in self._uncaptured:
            try:
                self._graphs.capture(name, work)
            except Exception:
                log.exception("%s runs without a graph, because it could not be captured", name)
                self._uncaptured.add(name)
        if self._graphs is not None and name in self._graphs:
            self._graphs.replay(name)
        elif self._cuda:
            work()
        else:
            with self._threads.used():
                work()
