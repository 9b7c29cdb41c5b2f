"""The engine that holds the weights itself: one base, at most one adapter, both arms as rows of one batch.

Requests run one at a time in the order they came. Knows nothing of users, pages or the store. Importing
this file loads torch.
"""

import gc
import logging
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import torch

from medreason.domain.answers import Counts, Finish, Timings
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Event, Finished
from medreason.domain.provenance import ModelProvenance
from medreason.domain.sampling import Sampling
from medreason.engine.few_rows import quicken
from medreason.engine.line import Line
from medreason.engine.masked_lora import WornAdapter, linear_shapes
from medreason.engine.pair import Pair, plain, stop_tokens
from medreason.engine.protocol import EngineState, Phase
from medreason.engine.self_test import SelfTest, SelfTestFailed
from medreason.errors import MedReasonError, NotReady
from medreason.folder import DataFolder
from medreason.models.adapters import AdapterInfo, check_fits, read_adapter
from medreason.models.base import LoadedBase, load_base, resolve_base
from medreason.text.template import template_sha256

log = logging.getLogger(__name__)

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")
TEST_QUESTION = "A man of 58 has crushing chest pain. Explain the cause step by step."


class LocalEngine:
    """Implements `engine.protocol.Engine`. Making it is cheap; `load` does the work."""

    def __init__(self, base: str, revision: str, quantization: str, folder: DataFolder, adapter: Path | None):
        self._asked_for = (base, revision, folder, quantization)
        self._first_adapter = adapter
        self._line = Line()
        self._state = EngineState(Phase.UNLOADED, "No model is loaded.")
        self._base: LoadedBase | None = None
        self._test: SelfTest | None = None
        self._worn: WornAdapter | None = None
        self._provenance: ModelProvenance | None = None
        self._stops: frozenset[int] = frozenset()
        self._shapes: dict[str, tuple[int, int]] = {}

    @property
    def state(self) -> EngineState:
        return self._state

    @property
    def provenance(self) -> ModelProvenance:
        if self._provenance is None:
            raise NotReady(self._state.message or "No model is loaded.")
        return self._provenance

    def load(self) -> None:
        """Load the base and put the adapter on. An adapter that does not fit leaves the baseline alone
        ready, with the reason as the state's message; a failed self-test leaves nothing ready."""
        with self._line.turn():
            try:
                self._load()
            except MedReasonError as fault:
                self._drop(EngineState(Phase.FAILED, str(fault)))
                raise
            except Exception as fault:
                log.exception("Loading the model failed")
                sentence = f"The model could not be loaded: {plain(fault)}"
                self._drop(EngineState(Phase.FAILED, sentence))
                raise MedReasonError(sentence) from fault

    def _load(self) -> None:
        self._drop(EngineState(Phase.LOADING, "Looking for the model…"))
        self._base = base = load_base(resolve_base(*self._asked_for), self._report)
        quicken(base.model)
        self._shapes = linear_shapes(base.model)
        self._report(0.96, "Testing that the baseline is the baseline…")
        prompt = base.tokenizer(TEST_QUESTION, add_special_tokens=False)["input_ids"]
        self._test = SelfTest(base.model, prompt)
        self._stops = stop_tokens(base)
        message = ""
        if self._first_adapter is None:
            self._describe(self._test.base_sentence)
        else:
            try:
                self._wear(self._first_adapter)
            except SelfTestFailed:
                raise
            except MedReasonError as fault:
                log.info("The adapter was not loaded: %s", fault)
                message = f"{fault} The baseline answers alone."
                self._describe(self._test.base_sentence)
        self._ready(message)

    def _report(self, share: float, message: str) -> None:
        self._state = EngineState(Phase.LOADING, message, share)

    def _ready(self, message: str = "") -> None:
        arms = ARMS if self._worn else (Arm.BASELINE,)
        self._state = EngineState(Phase.READY, message or "Ready.", 1.0, arms)

    def unload(self) -> None:
        with self._line.turn():
            self._drop(EngineState(Phase.UNLOADED, "No model is loaded."))

    def _drop(self, state: EngineState) -> None:
        self._state = state
        self._base = self._test = self._worn = self._provenance = None
        _free_memory()

    def switch_adapter(self, adapter: Path | None) -> None:
        with self._line.turn():
            if self._base is None or self._test is None:
                raise NotReady(self._state.message or "No model is loaded.")
            before = self._worn.info.folder if self._worn else None
            if adapter is not None:
                self._read(adapter)  # refused before anything is taken off
            self._take_off()
            try:
                self._test.check_base()
                if adapter is None:
                    self._describe(self._test.base_sentence)
                else:
                    self._wear(adapter)
            except Exception as fault:
                self._go_back(before)
                if isinstance(fault, MedReasonError):
                    raise
                log.exception("Switching to the adapter %s failed", adapter)
                raise MedReasonError(f"The adapter {adapter} could not be loaded: {plain(fault)}") from fault
            self._ready()

    def _go_back(self, before: Path | None) -> None:
        """After a refused adapter: the one before again, or a failed engine where not even that holds."""
        try:
            self._take_off()
            if self._test is not None:
                self._test.check_base()
            if before is not None:
                self._wear(before)
        except Exception as fault:
            log.exception("The adapter in use before could not be put back")
            self._drop(EngineState(Phase.FAILED, f"{plain(fault)} Restart the app."))

    def _read(self, adapter: Path) -> AdapterInfo:
        assert self._base is not None
        info = read_adapter(adapter)
        check_fits(info, self._base.name, self._base.sha256, self._shapes)
        return info

    def _wear(self, adapter: Path) -> None:
        assert self._base is not None and self._test is not None
        info = self._read(adapter)
        worn = WornAdapter(self._base.model, info)
        try:
            passed = self._test.check(worn)
        except BaseException:
            worn.take_off()
            raise
        self._worn = worn
        self._describe(passed)

    def _take_off(self) -> None:
        if self._worn is not None:
            self._worn.take_off()
            self._worn = None

    def _describe(self, self_test: str) -> None:
        assert self._base is not None
        self._provenance = provenance_of(self._base, self._worn.info if self._worn else None, self_test)

    def ask_pair(
        self, conversation: Conversation, sampling: Sampling, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        with self._line.turn(cancelled) as reached:
            arms = self._state.arms
            if not reached:
                yield from (_never_begun(arm) for arm in arms)
                return
            if self._base is None or self._state.phase is not Phase.READY:
                raise NotReady(self._state.message or "No model is loaded.")
            pair = Pair(self._base, self._worn, self._stops, arms, self.provenance)
            try:
                yield from pair.answer(conversation, sampling, cancelled)
            except Exception as fault:
                log.exception("Answering failed")
                yield from pair.fail(plain(fault))
            finally:
                if self._worn is not None:
                    self._worn.off()
                if self._base.model.device.type == "cuda":
                    _free_memory()


def _never_begun(arm: Arm) -> Event:
    return Finished(arm, Finish.CANCELLED, Counts(), Timings(), thought=False, closed=False)


def provenance_of(base: LoadedBase, adapter: AdapterInfo | None, self_test: str) -> ModelProvenance:
    return ModelProvenance(
        base_model=base.name,
        base_revision=base.revision,
        base_sha256=base.sha256,
        adapter=adapter.name if adapter else "",
        adapter_sha256=adapter.sha256 if adapter else "",
        precision=base.precision,
        template_sha256=template_sha256(base.tokenizer),
        engine="local",
        self_test=self_test,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
