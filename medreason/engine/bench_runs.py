"""What a benchmark of decoding times: the engine asked in different ways, transformers' own `generate`, a copy
in memory.

Every answer runs to its full budget. Knows nothing of which figures are compared.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Event, Failed, Finished
from medreason.domain.sampling import Sampling
from medreason.engine.compiled_ahead import Ahead
from medreason.engine.levers import ALL, Levers
from medreason.engine.local import LocalEngine
from medreason.engine.plain_decoder import PlainDecoder
from medreason.engine.prompts import prompt_of
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models.base import LoadedBase

QUESTION = Conversation(
    "A 61-year-old man has had crushing chest pain for an hour. The electrocardiogram shows ST elevation in "
    "II, III and aVF. Number each step of your reasoning and finish with a one-line diagnosis."
)
COPIED = {"cpu": 2**28, "cuda": 2**31}
COPIES = 5


@dataclass
class Run:
    """One timed run: its seconds, and of each answer the seconds to its first token and from there to its last."""

    seconds: float = 0.0
    first_s: list[float] = field(default_factory=list)
    later_s: list[float] = field(default_factory=list)


class BenchEngine(LocalEngine):
    """The engine of the app around a base that is in memory already."""

    def __init__(self, base: LoadedBase, folder: DataFolder, adapter: Path | None, levers: Levers = ALL):
        super().__init__(base.name, base.revision, "none", folder, adapter, levers)
        self._given = base

    def _compile_ahead(self) -> None:
        """There is no loading to hide it behind."""

    def _load_base(self, ahead: Ahead | None) -> LoadedBase:
        return self._given

    def ready(self) -> "BenchEngine":
        """Load; answers never end before their budget."""
        self.load()
        self._in_memory().stops = frozenset()
        return self

    def settle(self) -> None:
        """Wait until what is prepared for later questions is done."""
        while not self.settled():
            time.sleep(0.01)

    @contextmanager
    def bare(self) -> Iterator[LoadedBase]:
        """The base's modules without an adapter in them. The own layers keep it beside the modules; the plain way
        wears it in them and takes it off meanwhile. Nobody is asked then."""
        served = self._in_memory()
        worn_in_modules = isinstance(served.decoder, PlainDecoder)
        if worn_in_modules:
            served.decoder.wear(None)
        try:
            yield served.base
        finally:
            if worn_in_modules:
                served.decoder.wear(served.adapter)


class TimedEngine(LocalEngine):
    """The engine of the app; `in_memory` is when its base had been loaded."""

    in_memory = 0.0

    def _load_base(self, ahead: Ahead | None) -> LoadedBase:
        base = super()._load_base(ahead)
        self.in_memory = time.monotonic()
        return base


def first_token_s(
    base: str, revision: str, quantization: str, folder: DataFolder, adapter: Path | None
) -> tuple[float, LoadedBase]:
    """Seconds from the base in memory to the first token of a pair, the self-test and all preparations included;
    and the base."""
    engine = TimedEngine(base, revision, quantization, folder, adapter)
    engine.load()
    ready = time.monotonic()
    seconds = ready - engine.in_memory + min(ask(engine, 2).first_s)
    while not engine.settled():
        time.sleep(0.01)
    loaded = engine._in_memory().base
    engine.unload()
    return seconds, loaded


def ask(engine: LocalEngine, tokens: int, arms: tuple[Arm, ...] = ARMS, times: int = 1) -> Run:
    """Ask `times` times at once."""
    return together([lambda: _events(engine, tokens, arms)] * times)


def together(asked: Sequence[Callable[[], list[Event]]]) -> Run:
    """Run what is asked in a thread each, and time the whole."""
    found: list[list[Event]] = []
    threads = [threading.Thread(target=lambda one=one: found.append(one())) for one in asked]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run = Run(time.monotonic() - began)
    for event in (event for events in found for event in events):
        if isinstance(event, Failed):
            raise MedReasonError(event.reason)
        if isinstance(event, Finished):
            run.first_s.append(event.timings.first_token_s)
            run.later_s.append(event.timings.total_s - event.timings.first_token_s)
    if len(found) < len(asked):
        raise MedReasonError("An answer broke off; the log says why.")
    return run


def one_arm(engine: LocalEngine, tokens: int, arm: Arm) -> Callable[[], list[Event]]:
    return lambda: _events(engine, tokens, (arm,))


def _events(engine: LocalEngine, tokens: int, arms: tuple[Arm, ...]) -> list[Event]:
    sampling = Sampling(temperature=0, max_new_tokens=tokens)
    return list(engine.ask(QUESTION, sampling, lambda: False, arms))


def generate(engine: BenchEngine, adapter: Path, tokens: int) -> Run:
    """Two `generate` calls of transformers, the adapter put on by PEFT: off for the first, on for the second.
    Putting it on is not timed."""
    from peft import PeftModel

    with engine.bare() as base:
        peft: Any = PeftModel.from_pretrained(base.model, str(adapter)).eval()
        try:
            return _generate_both(base, peft, tokens)
        finally:
            peft.unload()


@torch.inference_mode()
def _generate_both(base: LoadedBase, peft: Any, tokens: int) -> Run:
    prompt = prompt_of(base, QUESTION, Arm.BASELINE, True).tokens
    ids = torch.tensor([prompt], device=base.model.device)
    how = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False}
    began = time.monotonic()
    with peft.disable_adapter():
        peft.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **how)
    peft.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **how)
    if ids.is_cuda:
        torch.cuda.synchronize()
    return Run(time.monotonic() - began)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy in the device's memory moves, read and written; the best of a few."""
    source = torch.zeros(COPIED[device.type], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(COPIES):
        began = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * source.nbytes / (time.perf_counter() - began))
    return best


def bytes_a_step(base: LoadedBase) -> int:
    """Bytes of weights that every step reads: all but an input embedding that the head does not share."""
    model = base.model
    weights = {weight.data_ptr(): weight.numel() * weight.element_size() for weight in model.parameters()}
    embedding = model.get_input_embeddings().weight
    shared = embedding.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    return sum(weights.values()) - (0 if shared else embedding.numel() * embedding.element_size())
