"""Decodes with the own layer functions: a batch of rows of any lengths over one fixed cache.

Rows join between two steps, once their prompts are read, and stand at the front of the batch; the last fills the
gap of one that leaves. Knows token ids only.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from medreason.domain.sampling import Sampling
from medreason.engine.cache import Cache
from medreason.engine.compiled_ahead import LATER_FORMS, Ahead
from medreason.engine.decoder import PIECE, Broken, Row
from medreason.engine.faults import out_of_memory
from medreason.engine.levers import Levers
from medreason.engine.own_model import OwnModel, unfit
from medreason.engine.own_steps import COUNTS, Steps
from medreason.engine.reading import Reading
from medreason.engine.sampler import CANDIDATES, draw, reach
from medreason.engine.slots import Slots
from medreason.engine.unread import Unread
from medreason.models.adapters import AdapterInfo

__all__ = ["OwnDecoder", "unfit"]

FIRST_CELLS = {"cpu": 512, "cuda": 2048}
MOST_ROWS = {"cpu": 16, "cuda": 16}


class OwnDecoder:
    """Implements `decoder.Decoder` for models that `unfit` has nothing against."""

    name = "local"
    joins = True

    def __init__(self, model: Any, levers: Levers, ahead: Ahead | None = None):
        self._model = OwnModel(model, packed=levers.packed)
        device = self._model.device
        self.most_rows = MOST_ROWS[device.type]
        shape = self._model.shape
        self._cache = Cache(self._model.depth, shape.key_heads, shape.head_size, self._model.dtype, device)
        self._slots = Slots(self.most_rows, self._model.dtype, device)
        self._steps = Steps(self._model, self._cache, self._slots, levers, ahead)
        self._reading = Reading(device, levers.late)
        self._unread: deque[Unread] = deque()
        self._adapter: AdapterInfo | None = None
        self._first, self._piece = FIRST_CELLS[device.type], PIECE[device.type]
        self._usual: tuple[int, bool] | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        return (*self._standing, *(row for some in self._unread for row in some.rows))

    @property
    def _standing(self) -> tuple[Row, ...]:
        return tuple(row for row in self._slots.rows if row is not None)

    def refusal(self, adapter: AdapterInfo | None) -> str:
        """Why this adapter cannot be worn here; empty where it can."""
        return self._model.refusal(adapter) if adapter else ""

    @torch.no_grad()
    def wear(self, adapter: AdapterInfo | None) -> None:
        self._reading.forget()
        self._steps.changed()
        self._model.wear(adapter)
        self._adapter = adapter

    def prefill(self, rows: Sequence[Row]) -> None:
        together = len(self.rows) + len(rows)
        if together > self.most_rows:
            raise ValueError(f"{len(rows)} rows do not fit beside {len(self.rows)}")
        self._make_room(max(self._slots.front, together), max(len(row.prompt) for row in rows) + 1)
        # Prompts of one length are read together, without padding.
        for length in {len(row.prompt): None for row in rows}:
            self._unread.append(Unread([row for row in rows if len(row.prompt) == length], self._model))

    def step(self) -> list[tuple[Row, int]]:
        self._read_on()
        if self._standing and (self._reading.late or not self._reading):
            self._launch()
        return [(row, token) for row, token in self._reading.read() if row in self._slots.rows]

    @torch.no_grad()
    def _read_on(self) -> None:
        """Read a piece's worth of prompts, each in its turn. Pieces are always of one size, so that a prompt is
        read in the same way whoever else is there."""
        left = self._piece
        while self._unread and left > 0:
            unread = self._unread.popleft()
            left -= unread.left
            try:
                self._read(unread, self._piece)
            except Exception as fault:
                raise Broken(unread.rows) from fault
            if unread.left:
                self._unread.append(unread)

    def _read(self, unread: Unread, most: int) -> None:
        """Read on; rows whose prompts are read then get their places and first tokens."""
        logits = unread.read(most)
        if unread.left or not unread.rows:
            return
        rows = unread.rows
        slots = self._slots.at_front(len(rows))
        places = torch.tensor(slots, device=self._model.device)
        self._cache.place(places, unread.kept())
        logits = unread.of_rows(logits)
        for slot, row in zip(slots, rows, strict=True):
            self._slots.settings.put(slot, row.sampling, row.said)
        self._steps.logits[places] = logits
        drawn = draw(logits, self._slots.settings.of(slots), reach([row.sampling for row in rows]))
        self._slots.put(slots, rows, drawn)
        self._reading.send(tuple(rows), drawn)

    @torch.no_grad()
    def _launch(self) -> None:
        slots, steps = self._slots, self._steps
        self._close_gaps()
        longest = max(slots.lengths)
        if longest + 1 > self._cache.length:
            self._grow_for(longest + 1)
        rows = self._standing
        count, adapted = steps.form(slots.front, any(row.adapted for row in rows))
        steps.forward(count, adapted)
        drawn = steps.draw(count, reach([row.sampling for row in rows]))
        self._reading.send(tuple(slots.rows[:count]), drawn)
        slots.advance(count, drawn)

    def _close_gaps(self) -> None:
        """Let the last rows fill the gaps before them."""
        slots = self._slots
        while slots.front > len(self._standing):
            source, target = slots.front - 1, slots.at_front(1)[0]
            self._cache.move(source, target)
            slots.move(source, target)

    def _grow_for(self, cells: int) -> None:
        try:
            self._make_room(self._slots.front, cells)
        except Exception as fault:
            if not out_of_memory(fault):
                raise
            placed = zip(self._slots.rows, self._slots.lengths, strict=True)
            longest = tuple(row for row, length in placed if row is not None and length >= self._cache.length)
            raise Broken(longest) from fault

    def _make_room(self, slots: int, cells: int) -> None:
        length = max(self._cache.length, self._first)
        while length < cells:
            length *= 2
        slots = next(count for count in COUNTS if count >= slots)
        if slots <= self._cache.slots and length <= self._cache.length <= self._model.length:
            return
        self._steps.moved()  # before it: a fault half way leaves some layers moved
        try:
            self._cache.grow(slots, length)
        except Exception as fault:
            if self.rows or not out_of_memory(fault):
                raise
            self._cache.shrink(slots, length)  # of what nobody uses nothing has to be kept
        self._model.prepare(length)

    def free(self, row: Row) -> None:
        self._slots.free(row)
        for unread in self._unread:
            if row in unread.rows:
                unread.rows.remove(row)
        self._unread = deque(unread for unread in self._unread if unread.rows)

    @torch.no_grad()
    def forced(self, texts: Sequence[Sequence[int]], adapted: Sequence[bool]) -> Tensor:
        half, count = max(1, len(texts[0]) // 2), len(texts)
        sampling = Sampling(temperature=0)
        rows = [Row(text[:half], acts, sampling) for text, acts in zip(texts, adapted, strict=True)]
        self._steps.patient = True
        try:
            self._make_room(count, len(texts[0]) + 1)
            unread = Unread(rows, self._model)
            while unread.left:  # in two pieces, which are not computed quite alike
                self._read(unread, -(-half // 2))
            found = [self._steps.logits[:count].clone()]
            for place in range(half, len(texts[0])):
                said = [text[place] for text in texts]
                self._slots.token[:count] = torch.tensor(said, device=self._model.device)
                self._launch()
                found.append(self._steps.logits[:count].clone())
            self._steps.tune(count, any(adapted))
            self._steps.draw(count, CANDIDATES[0])
            self._usual = (count, any(adapted))
        finally:
            self._steps.patient = False
            self._reading.forget()
            for row in rows:
                self.free(row)
        for form in LATER_FORMS if any(adapted) else ():
            self._steps.wish(*form)
        return torch.stack(found, dim=1)

    @torch.no_grad()
    def rest(self) -> bool:
        if self._cache.length > self._first:
            self._steps.moved()
            self._cache.shrink(2, self._first)
            usual = self._usual
            if usual is not None and usual[0] <= self._cache.slots and self._steps.captures:
                self._steps.forward(*usual)  # captured before the next question; what it writes is nobody's
            return True
        return self._steps.improve()
