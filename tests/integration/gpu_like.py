"""A decoder on the CPU that goes the ways of a GPU: forms with dead places, replays over fixed tensors, compiled
layers (the compiler's front end only), tokens read a step late.
"""

from typing import Any


class Replays:
    """Stands in for `Graphs`: does the work again, and refuses where a tensor has moved since it was recorded."""

    def __init__(self, where: Any):
        self._where = where
        self._works: dict[tuple, tuple] = {}
        self.replayed: list[tuple] = []

    def __contains__(self, name: tuple) -> bool:
        return name in self._works

    @property
    def names(self) -> list[tuple]:
        return list(self._works)

    def capture(self, name: tuple, work: Any) -> None:
        for _ in range(3):
            work()
        self._works[name] = (work, self._where())

    def replay(self, name: tuple) -> None:
        work, where = self._works[name]
        assert where == self._where(), "a tensor moved, and its graphs were not dropped"
        self.replayed.append(name)
        work()

    def drop(self, name: tuple | None = None) -> None:
        if name is None:
            self._works.clear()
        else:
            self._works.pop(name, None)


def gpu_like(model: Any) -> Any:
    from medreason.engine.compiled import CompiledLayer
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder
    from medreason.engine.reading import Sent

    decoder = OwnDecoder(model, Levers(packed=False))
    steps, reading = decoder._steps, decoder._reading

    def where() -> list[int]:
        tensors = [decoder._model._cos, decoder._model._sin, steps.logits]
        tensors += [decoder._slots.token, decoder._slots.acting]
        tensors += [part for layer in decoder._cache._layers for part in layer]
        tensors += [layer.qkv.weight for layer in decoder._model.layers]
        return [tensor.data_ptr() for tensor in tensors]

    decoder._model.beside = True
    steps._cuda, steps._graphs = True, Replays(where)
    steps._compiled = CompiledLayer(decoder._model.shape, backend="eager")
    reading.late = True
    reading.send = lambda rows, tokens: reading._sent.append(Sent(rows, tokens.clone(), None))
    return decoder
