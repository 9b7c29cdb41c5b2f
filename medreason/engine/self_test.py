"""Proves, before anything is asked, that the baseline is the baseline, that the adapter acts, and that the way in
which answers are decoded computes both.

The base's logits are recorded before any adapter touches it and before its weights are laid out anew. A model that
fails here must not answer.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from medreason.engine.apart import Apart, allowed, apart, further, share_of_adapter, within
from medreason.engine.decoder import Decoder
from medreason.engine.masked_lora import WornAdapter
from medreason.errors import MedReasonError

log = logging.getLogger(__name__)

# Largest share of the base's logit range by which the base's row of a mixed batch may differ from the
# untouched base: rounding only. The rows are computed by the same operations, so it is mostly nought.
ROUNDING = 0.01
BY_TOKEN = 4  # tokens that are enough to see how reading them one at a time rounds
SPELT_OUT = "eager"  # transformers' name of attention without a kernel of its own


class SelfTestFailed(MedReasonError):
    """The model in memory does not keep baseline and fine-tuned apart."""


class Disagrees(Exception):
    """A decoder computes something else than the model; the message says how far off it is."""


class Reference(NamedTuple):
    """What transformers computes: logits [length, vocabulary], and how far its own ways to them lie apart."""

    logits: Tensor
    rounding: Apart


class SelfTest:
    """Records the untouched base on making; `check` then judges each adapter put on it, and `check_decoder` the
    way in which answers will be decoded."""

    def __init__(self, model: Any, prompt: Sequence[int]):
        device = next(model.parameters()).device
        self._model = model
        self._text = list(prompt)
        self._rows = torch.tensor([self._text] * 2, device=device)
        self._untouched = self._logits()
        if not bool(torch.isfinite(self._untouched).all()):
            raise SelfTestFailed("Self-test failed: the base model's output holds numbers that are not finite.")
        self._base: Reference | None = None

    @property
    def tokens(self) -> int:
        return len(self._text)

    def check_base(self) -> None:
        """The model as it stands, no adapter acting, equals the recorded base bit for bit."""
        if not torch.equal(self._logits(), self._untouched):
            raise SelfTestFailed(
                "Self-test failed: with the adapter off the model differs from the untouched base, so "
                "nothing can be compared. Restart the app."
            )

    def check(self, adapter: WornAdapter) -> tuple[str, Reference]:
        """What was found, and what transformers' modules compute with the adapter; raises `SelfTestFailed`
        otherwise. Leaves the adapter off."""
        name = adapter.info.name
        try:
            adapter.off()
            self.check_base()
            adapter.rows([False, True])
            mixed = self._logits()
            of_base, of_tuned = self._rounding(mixed)
        finally:
            adapter.off()
        base_row, tuned_row = self._untouched[0], self._untouched[1]
        leaked = float((mixed[0] - base_row).abs().max())
        moved = float((mixed[1] - tuned_row).abs().max())
        span = float(base_row.max() - base_row.min())
        if not bool(torch.isfinite(mixed).all()):
            raise SelfTestFailed(
                f"Self-test failed: the adapter {name} makes numbers that are not finite. Choose another."
            )
        if leaked > ROUNDING * span:
            raise SelfTestFailed(
                f"Self-test failed: the adapter {name} acts on the baseline too, so nothing can be compared. "
                "Choose another adapter."
            )
        if moved == 0.0 or moved <= leaked:
            raise SelfTestFailed(
                f"Self-test failed: the adapter {name} changes nothing, so both sides would be the same "
                "model. Choose another adapter, or train this one for longer."
            )
        self._base = Reference(base_row, of_base)
        return (
            "adapter off equals the untouched base bit for bit; in the mixed batch the baseline's logits "
            f"differ by at most {leaked:.2g}, the fine-tuned ones by up to {moved:.2g}"
        ), Reference(mixed[1], of_tuned)

    def check_decoder(self, decoder: Decoder, adapted: Reference | None) -> str:
        """What was found; raises `Disagrees` where the rows are not what the model computes. `adapted` is what it
        computes with the adapter that the decoder wears; None where it wears none."""
        base = self._base or Reference(self._untouched[0], self._rounding(self._untouched)[0])
        expected = [base] if adapted is None else [base, adapted]
        found = decoder.forced([self._text] * len(expected), [False, True][: len(expected)])
        worst, least = Apart(0.0, 0.0), Apart(1.0, 1.0)
        for row, reference in zip(found, expected, strict=True):
            distance = apart(row, reference.logits[-row.shape[0] :])
            limit = allowed(reference.rounding, self._dtype())
            if not within(distance, limit):
                raise Disagrees(
                    f"logits are {distance.largest:.2g} of their range apart, typically {distance.typical:.2g} of "
                    f"their spread, where {limit.largest:.2g} and {limit.typical:.2g} are rounding"
                )
            worst = further(worst, distance)
            least = Apart(min(least.largest, limit.largest), min(least.typical, limit.typical))
        if adapted is not None:
            _check_rows(found, base, adapted)
        return (
            f"decoding step by step, as answers are, stays within {worst.typical:.1e} of the logits' spread, "
            f"where up to {least.typical:.1e} is rounding"
        )

    def _dtype(self) -> torch.dtype:
        """The precision in which is computed."""
        weights = list(self._model.parameters())
        return weights[0].dtype if all(weight.is_floating_point() for weight in weights) else torch.bfloat16

    def _rounding(self, whole: Tensor) -> list[Apart]:
        """How far transformers' own ways to the logits `whole` lie apart, a row each."""
        found = [apart(row, other[-row.shape[0] :]) for row, other in zip(self._by_token(), whole, strict=True)]
        spelt_out = self._spelt_out()
        if spelt_out is None:
            return found
        other_way = [apart(row, other) for row, other in zip(spelt_out, whole, strict=True)]
        return [further(one, other) for one, other in zip(found, other_way, strict=True)]

    @torch.no_grad()
    def _logits(self) -> Tensor:
        return self._model(input_ids=self._rows, use_cache=False).logits.float()

    @torch.no_grad()
    def _by_token(self) -> Tensor:
        """Logits of the last places, as the text before them is read as a prompt and they one at a time."""
        cache = DynamicCache(config=self._model.config)
        prompt = max(1, self.tokens - BY_TOKEN)
        pieces = [self._rows[:, :prompt], *self._rows[:, prompt:].split(1, dim=1)]
        said = [self._model(input_ids=piece, past_key_values=cache, use_cache=True).logits for piece in pieces]
        return torch.cat([logits[:, -1:] for logits in said], dim=1).float()

    def _spelt_out(self) -> Tensor | None:
        """Logits by attention without a kernel of its own; None where the model knows no other way."""
        usual = self._model.config._attn_implementation
        if usual == SPELT_OUT:
            return None
        try:
            self._model.set_attn_implementation(SPELT_OUT)
            return self._logits()
        except Exception as fault:
            log.info("Attention cannot be computed in another way: %r", fault)
            return None
        finally:
            self._model.set_attn_implementation(usual)


def _check_rows(found: Tensor, base: Reference, tuned: Reference) -> None:
    """Each row is the arm that it should be, however little the adapter does."""
    places = found.shape[1]
    rounding = further(base.rounding, tuned.rounding)
    for row, name, acts in ((found[0], "baseline", False), (found[1], "fine-tuned", True)):
        share = share_of_adapter(row, base.logits[-places:], tuned.logits[-places:], rounding)
        if share is not None and (share > 0.5) != acts:
            raise Disagrees(f"the {name} row shows {share:.2f} of what the adapter does")
