"""Proves, before anything is asked, that the baseline is the baseline and that the adapter acts.

The base's logits are recorded before any adapter touches it. A model that fails here must not answer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medreason.engine.masked_lora import WornAdapter
from medreason.errors import MedReasonError

# Largest share of the base's logit range by which the base's row of a mixed batch may differ from the
# untouched base: rounding only. The rows are computed by the same operations, so it is mostly nought.
ROUNDING = 0.01


class SelfTestFailed(MedReasonError):
    """The model in memory does not keep baseline and fine-tuned apart."""


class SelfTest:
    """Records the untouched base on making; `check` then judges each adapter put on it."""

    def __init__(self, model: nn.Module, prompt: Sequence[int]):
        device = next(model.parameters()).device
        self._model = model
        self._rows = torch.tensor([list(prompt)] * 2, device=device)
        self._untouched = self._logits()
        if not bool(torch.isfinite(self._untouched).all()):
            raise SelfTestFailed("Self-test failed: the base model's output holds numbers that are not finite.")

    @property
    def base_sentence(self) -> str:
        return f"Base alone: finite logits over {self._rows.shape[1]} tokens; no adapter to test."

    def check_base(self) -> None:
        """The model as it stands, no adapter acting, equals the recorded base bit for bit."""
        if not torch.equal(self._logits(), self._untouched):
            raise SelfTestFailed(
                "Self-test failed: with the adapter off the model differs from the untouched base, so "
                "nothing can be compared. Restart the app."
            )

    def check(self, adapter: WornAdapter) -> str:
        """The sentence of a passed test; raises `SelfTestFailed` otherwise. Leaves the adapter off."""
        name = adapter.info.name
        try:
            adapter.off()
            self.check_base()
            adapter.rows([False, True])
            mixed = self._logits()
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
        return (
            f"Self-test passed over {self._rows.shape[1]} tokens: adapter off equals the untouched base bit "
            f"for bit; in the mixed batch the baseline's logits differ by at most {leaked:.2g}, the "
            f"fine-tuned ones by up to {moved:.2g}."
        )

    @torch.inference_mode()
    def _logits(self) -> Tensor:
        return self._model(input_ids=self._rows, use_cache=False).logits.float()
