"""What is in memory: a base, the adapter on it, and the decoder that has proven that it computes both.

Used from the engine's thread only. Knows nothing of requests.
"""

import logging
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from medreason.domain.provenance import ModelProvenance
from medreason.engine.compiled_ahead import Ahead
from medreason.engine.decoder import Decoder
from medreason.engine.levers import Levers
from medreason.engine.masked_lora import WornAdapter, linear_shapes
from medreason.engine.own_decoder import OwnDecoder
from medreason.engine.own_model import unfit
from medreason.engine.plain_decoder import PlainDecoder
from medreason.engine.prompts import padding_token, stop_tokens
from medreason.engine.self_test import Disagrees, Reference, SelfTest, SelfTestFailed
from medreason.models.adapters import AdapterInfo, check_fits, read_adapter
from medreason.models.base import LoadedBase
from medreason.text.template import template_sha256

log = logging.getLogger(__name__)

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")
TEST_QUESTION = "A man of 58 has crushing chest pain. Explain the cause step by step."


class Served:
    """Making it records the untouched base. `wear` then makes `decoder` and `provenance` hold."""

    decoder: Decoder
    provenance: ModelProvenance

    def __init__(self, base: LoadedBase, levers: Levers, ahead: Ahead | None = None):
        self.base = base
        self.adapter: AdapterInfo | None = None
        self.stops = stop_tokens(base)
        self._shapes = linear_shapes(base.model)
        prompt = base.tokenizer(TEST_QUESTION, add_special_tokens=False)["input_ids"]
        self._test = SelfTest(base.model, prompt)
        self._own: OwnDecoder | None = None
        self._plain: PlainDecoder | None = None
        self._no_own = "it is switched off" if not levers.own_layers else unfit(base.model)
        self._levers, self._ahead = levers, ahead
        if self._no_own:
            log.info("%s is decoded the plain way: %s", base.name, self._no_own)

    def read(self, folder: Path) -> AdapterInfo:
        """The adapter in `folder`; refused where it cannot be worn by this base."""
        info = read_adapter(folder)
        check_fits(info, self.base.name, self.base.sha256, self._shapes)
        return info

    def wear(self, info: AdapterInfo | None) -> None:
        """Put this adapter on, or none, and prove it. A refused one leaves the one before in use; where not even
        that can be put back, what is raised is no `MedReasonError`."""
        before, served = self.adapter, hasattr(self, "decoder")
        try:
            self._wear(info)
        except Exception:
            if not served:
                raise
            try:
                self._wear(before)
            except Exception as fault:
                raise NotPutBack from fault
            raise

    def _wear(self, info: AdapterInfo | None) -> None:
        if self._plain is not None:
            self._plain.wear(None)
        tokens = self._test.tokens
        if info is None:
            self._test.check_base()
            sentence = f"Base alone: finite logits over {tokens} tokens; no adapter to test; "
            sentence += self._settle(None, None)
        else:
            worn = WornAdapter(self.base.model, info)
            try:
                found, adapted = self._test.check(worn)
            finally:
                worn.take_off()
            sentence = f"Self-test passed over {tokens} tokens: {found}; {self._settle(info, adapted)}"
        self.adapter = info
        self.provenance = provenance_of(self.base, info, self.decoder.name, f"{sentence}.")

    def _settle(self, info: AdapterInfo | None, adapted: Reference | None) -> str:
        """Let the quickest decoder that computes the right thing answer; what the test found of it."""
        for decoder in self._ways(info):
            try:
                decoder.wear(info)
                found = self._test.check_decoder(decoder, adapted)
            except Exception as fault:
                if decoder is self._plain:
                    if isinstance(fault, Disagrees):
                        raise SelfTestFailed(
                            f"Self-test failed: answers would not be what the model computes ({fault}). "
                            "Restart the app."
                        ) from fault
                    raise
                log.warning("Answers are decoded the plain way, for the own one failed its test: %r", fault)
                self._own, self._no_own = None, "it failed its test"
            else:
                self.decoder = decoder
                return found
        raise AssertionError("the plain way is always there")

    def _ways(self, info: AdapterInfo | None) -> Iterator[OwnDecoder | PlainDecoder]:
        if not self._no_own:
            try:
                self._own = self._own or OwnDecoder(self.base.model, self._levers, self._ahead)
            except Exception as fault:
                log.warning("Answers are decoded the plain way, for the own one could not be made: %r", fault)
                self._no_own = "it could not be made"
        if self._own is not None:
            refusal = self._own.refusal(info)
            if not refusal:
                yield self._own
            else:
                log.info("The adapter is served the plain way: %s", refusal)
                self._own = None
        self._plain = self._plain or PlainDecoder(self.base.model, padding_token(self.base))
        yield self._plain


class NotPutBack(Exception):
    """The adapter in use before could not be put back."""


def provenance_of(base: LoadedBase, adapter: AdapterInfo | None, engine: str, self_test: str) -> ModelProvenance:
    return ModelProvenance(
        base_model=base.name,
        base_revision=base.revision,
        base_sha256=base.sha256,
        adapter=adapter.name if adapter else "",
        adapter_sha256=adapter.sha256 if adapter else "",
        adapter_step=adapter.step if adapter else 0,
        precision=base.precision,
        template_sha256=template_sha256(base.tokenizer),
        engine=engine,
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
