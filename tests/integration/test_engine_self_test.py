"""The self-test lets rounding pass, in 32 bits and in 16, and catches what would not be seen in the text."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from medreason.models.adapters import AdapterInfo
from tests.integration.decoder_steps import prompt

# torch warns of its own calls when a device is asked for on a build without it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")

FAINT = 0.025  # so much of a strong adapter does hardly more to the logits than rounding of 16 bits


class Proving(NamedTuple):
    """A base whose untouched logits are recorded; an adapter; what transformers computes with it."""

    model: Any
    test: Any
    adapter: AdapterInfo
    reference: Any


def make(folder: Path, dtype: Any, strength: float = 1.0) -> Proving:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from medreason.engine.masked_lora import WornAdapter, linear_shapes
    from medreason.engine.random_adapter import make_random_adapter
    from medreason.engine.self_test import SelfTest
    from medreason.models.adapters import WEIGHTS, read_adapter

    torch.manual_seed(4)
    config = Qwen3Config(
        vocab_size=40_000,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        initializer_range=0.1,
    )
    model = Qwen3ForCausalLM(config).eval().to(dtype)
    make_random_adapter(folder, linear_shapes(model), rank=8)
    weights = load_file(folder / WEIGHTS)
    scaled = {name: weight * strength if "lora_B" in name else weight for name, weight in weights.items()}
    save_file(scaled, folder / WEIGHTS)
    adapter = read_adapter(folder)
    test = SelfTest(model, prompt(18))
    worn = WornAdapter(model, adapter)
    try:
        _, reference = test.check(worn)
    finally:
        worn.take_off()
    return Proving(model, test, adapter, reference)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def tested(request, tmp_path_factory) -> Proving:
    import torch

    return make(tmp_path_factory.mktemp("adapters") / "strong", getattr(torch, request.param))


def checked(tested: Proving, packed: bool = True) -> str:
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder

    decoder = OwnDecoder(tested.model, Levers(packed=packed))
    decoder.wear(tested.adapter)
    return tested.test.check_decoder(decoder, tested.reference)


def test_the_right_way_passes_in_either_precision(tested):
    assert "is rounding" in checked(tested) and "is rounding" in checked(tested, packed=False)


def test_the_plain_way_passes_in_either_precision(tested):
    from medreason.engine.plain_decoder import PlainDecoder

    decoder = PlainDecoder(tested.model, padding=0)
    decoder.wear(tested.adapter)
    try:
        assert "is rounding" in tested.test.check_decoder(decoder, tested.reference)
    finally:
        decoder.wear(None)


def flipped(patch: Any, where: tuple[str, ...], change: Callable[[Any], Any]) -> None:
    """Let the adapter act elsewhere than it was told to."""
    from medreason.engine.own_model import OwnModel

    for name in where:
        work = getattr(OwnModel, name)

        def wrong(self, *given, work=work, place=1 if name == "read" else 3):
            acting = given[place]
            rest = list(given)
            rest[place] = None if acting is None else change(acting)
            return work(self, *rest)

        patch.setattr(OwnModel, name, wrong)


def positions_off(patch: Any) -> None:
    """Tokens of the answer are turned as if they stood one place earlier."""
    from medreason.engine.own_model import OwnModel

    at = OwnModel.at

    def wrong(self, cells, *rest):
        earlier = at(self, (cells - 1).clamp(min=0), *rest)
        return at(self, cells, *rest)._replace(cos=earlier.cos, sin=earlier.sin)

    patch.setattr(OwnModel, "at", wrong)


def mask_off(by: int) -> Callable[[Any], None]:
    """A row looks at one cell too many or does not look at its newest one."""

    def break_it(patch: Any) -> None:
        import torch

        from medreason.engine.own_steps import Steps

        def wrong(self, count, adapted):
            slots, cells = self._slots, self._slots.cell[:count]
            window = max(slots.lengths[:count]) + 1 + max(0, by)
            seen = (torch.arange(window) <= cells[:, None] + by)[:, None, None]
            acting = slots.acting[:count] if adapted else None
            kept = self._cache.view(count, window)
            self.logits[:count] = self._model.step(slots.token[:count], cells, kept, acting, seen)

        patch.setattr(Steps, "_forward", wrong)

    return break_it


def piece_mask_off(by: int) -> Callable[[Any], None]:
    """The second piece of a prompt looks one place too far or not far enough."""

    def break_it(patch: Any) -> None:
        import torch

        tril = torch.Tensor.tril
        patch.setattr(
            torch.Tensor,
            "tril",
            lambda self, start=0: tril(self, start + by if self.dtype is torch.bool else start),
        )

    return break_it


def half_the_scale(patch: Any) -> None:
    from medreason.engine import own_model

    right = own_model._low_rank

    def wrong(*given):
        low = right(*given)
        return low._replace(b=low.b / 2)

    patch.setattr(own_model, "_low_rank", wrong)


FAULTS: dict[str, Callable[[Any], None]] = {
    "adapter on the other row": lambda patch: flipped(patch, ("read", "step"), lambda acting: 1 - acting),
    "adapter on the other row while answering": lambda patch: flipped(patch, ("step",), lambda acting: 1 - acting),
    "adapter on both rows": lambda patch: flipped(patch, ("step",), lambda acting: acting * 0 + 1),
    "adapter on no row": lambda patch: flipped(patch, ("read", "step"), lambda acting: acting * 0),
    "half the adapter's scale": half_the_scale,
    "positions off by one": positions_off,
    "one cell too many": mask_off(1),
    "newest cell unseen": mask_off(-1),
    "later prompt seen": piece_mask_off(1),
    "own place in the prompt unseen": piece_mask_off(-1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_nobody_would_see_in_the_text_is_caught(tested, fault, monkeypatch):
    from medreason.engine.self_test import Disagrees

    FAULTS[fault](monkeypatch)
    with pytest.raises(Disagrees):
        checked(tested)


def test_rows_that_are_swapped_are_caught_even_where_the_adapter_does_little(tmp_path, monkeypatch):
    """In 16 bits the logits of either row are then within what rounding may do to the other's."""
    import torch

    from medreason.engine.apart import allowed, apart
    from medreason.engine.self_test import Disagrees

    faint = make(tmp_path / "faint", torch.bfloat16, FAINT)
    logits, rounding = faint.reference
    effect = apart(logits, faint.test._untouched[0])
    assert effect.typical < allowed(rounding, torch.bfloat16).typical
    assert "is rounding" in checked(faint)
    FAULTS["adapter on the other row"](monkeypatch)
    with pytest.raises(Disagrees, match="of what the adapter does"):
        checked(faint)


def test_the_base_alone_is_tested_too(tested):
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder

    decoder = OwnDecoder(tested.model, Levers())
    decoder.wear(None)
    assert "is rounding" in tested.test.check_decoder(decoder, None)


def test_the_usual_attention_is_back_after_the_test(tested):
    assert tested.model.config._attn_implementation == "sdpa"
    tested.test.check_base()
