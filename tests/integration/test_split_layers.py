"""Layers that are split over two processes, both of which are in this one, compute what whole layers compute."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.fast import parts, product, steps
from medreason.finetune.fast.checkpointing import FirstLayers, checkpointable
from medreason.finetune.fitting import dressed
from medreason.finetune.progress import read_losses
from medreason.finetune.ranks import ALONE
from medreason.finetune.sharded import SplitLayers, split
from medreason.folder import DataFolder
from medreason.models.base import resolve_base
from medreason.models.quantizing import quantize
from tests.fitting import QUIET, fitted, group_of_one, loaded, same, state_at

pytestmark = QUIET
CPU = torch.device("cpu")
CONFIG = TrainingConfig(target_modules="all-linear", gradient_checkpointing=True)
IDS = torch.arange(24).view(2, 12) * 7 % 301
COUNT = 2


class Both:
    """Two processes that hold the same model. Shares are put together at once, or, where it is `late`, only when
    they are waited for: one shows a place that is taken too soon, the other one that is used too soon."""

    def __init__(self, late: bool):
        self._late = late
        self.made: list[SplitLayers] = []
        self.told: list[str] = []
        self.coming: set[int] = set()

    def split(self, model: Any, rank: int) -> SplitLayers:
        self.made.append(SplitLayers(checkpointable(model), rank, COUNT, CPU, self._gather))
        return self.made[-1]

    def _gather(self, whole: Tensor, share: Tensor) -> "Arriving":
        (number,) = {at for one in self.made for at, own in enumerate(one.shares) if own is share}
        self.told.append(f"get {number}")

        def fill() -> None:
            self.coming.discard(whole.data_ptr())
            whole.copy_(torch.cat([one.shares[number] for one in self.made]))

        assert whole.data_ptr() not in self.coming

        if self._late:
            self.coming.add(whole.data_ptr())
            return Arriving(fill)
        fill()
        return Arriving(lambda: None)


class Arriving:
    def __init__(self, wait: Callable[[], None]):
        self.wait = wait


@cache
def read(base: Path, quantization: str) -> Any:
    return loaded(base, quantization).model


def worn(base: Path, quantization: str, again: int = 0, levers: str = "") -> Any:
    """A model that learns, with an adapter that acts; `again` layers of it are checkpointed."""
    torch.manual_seed(1)
    model = dressed(deepcopy(read(base, quantization)), CONFIG)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    if levers == "in two steps":
        assert steps.install(model.get_base_model(), parts.PLAIN) == ""
    elif levers == "one product":
        assert product.install(model)[1] == ""
    model.train()
    model.gradient_checkpointing_enable()
    FirstLayers(again).on_train_begin(None, None, None, model=model)
    return model


def shared(
    base: Path, quantization: str, again: int = 0, levers: str = "", late: bool = False
) -> tuple[Any, Both]:
    """Such a model, which is split between the first of two processes and another."""
    model, both = worn(base, quantization, again, levers), Both(late)
    both.split(model, 0)
    both.split(worn(base, quantization), 1)
    return model, both


def loss_of(model: Any) -> Tensor:
    return model(input_ids=IDS, labels=IDS, use_cache=False).loss


def learned(model: Any) -> dict[str, Tensor]:
    """The loss and the gradients of two batches, the second without what the first left behind, after the loss was
    measured."""
    found = {}
    with torch.no_grad():
        found["measured"] = loss_of(model)
    for batch in ("first", "second"):
        model.zero_grad()
        loss = loss_of(model)
        loss.backward()
        found[f"{batch} loss"] = loss.detach()
        grads = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
        found |= {f"{batch} {name}": grad for name, grad in grads.items()}
    return found


@pytest.mark.parametrize(("again", "late"), [(0, False), (2, True), (5, False)])
@pytest.mark.parametrize("levers", ["", "one product", "in two steps"])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_split_layers_learn_what_whole_ones_learn(
    deep_qwen3: Path, quantization: str, levers: str, again: int, late: bool
) -> None:
    expected = learned(worn(deep_qwen3, quantization, again, levers))
    model, both = shared(deep_qwen3, quantization, again, levers, late=late)
    found = learned(model)
    assert set(found) == set(expected) and len(found) > 5 * 7 * 2 * 2
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert any("lora_A" in name and bool(grad.any()) for name, grad in found.items())


def test_a_process_keeps_its_share_and_two_layers(deep_qwen3: Path) -> None:
    model = worn(deep_qwen3, "nf4")
    frozen = [
        one
        for layer in checkpointable(model)
        for one in layer.parameters()
        if not one.requires_grad and one.dim() > 1
    ]
    whole = sum(one.numel() * one.element_size() for one in frozen)
    done = Both(late=False).split(model, 0)
    assert len(done.weights) == len(frozen) == 5 * 7
    assert done.kept_bytes == sum(len(share) for share in done.shares) == whole / COUNT
    places = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in done.weights}
    assert sum(places.values()) == whole * 2 / 5
    model.to(CPU)  # libraries put a model where it is already
    assert {one.untyped_storage().data_ptr() for one in done.weights} == set(places)


def test_layers_that_were_moved_meanwhile_learn_as_well(deep_qwen3: Path) -> None:
    expected = learned(worn(deep_qwen3, "nf4"))
    model, both = shared(deep_qwen3, "nf4", late=False)
    model.to(torch.device("cpu", 0))  # to torch another one than that without a number
    found = learned(model)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("hooks", ["outside", "inside"])
def test_a_layer_is_on_its_way_while_the_one_before_it_computes(
    deep_qwen3: Path, hooks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpointed layers compute again on the way backwards, with their hooks in some versions of the library."""
    model, both = shared(deep_qwen3, "none", again=5, late=False)
    for number, layer in enumerate(checkpointable(model)):
        layer.self_attn.register_forward_pre_hook(lambda *_, number=number: both.told.append(f"use {number}"))
        if hooks == "inside":
            layer.gradient_checkpointing = False
            monkeypatch.setattr(type(layer), "__call__", checkpointed)
    forwards, backwards = (
        "use 0, get 2, use 1, get 3, use 2, get 4, use 3, use 4",
        "use 4, get 2, use 3, get 1, use 2",
    )
    backwards += ", get 0, use 1, use 0"
    loss_of(model).backward()
    assert ", ".join(both.told) == f"get 0, get 1, {forwards}, {backwards}"
    both.told.clear()
    loss_of(model).backward()
    assert ", ".join(both.told) == f"{forwards}, {backwards}"  # the first two were still there


def checkpointed(layer: Any, *given: Any, **more: Any) -> Any:
    return checkpoint(partial(torch.nn.Module.__call__, layer, **more), *given, use_reentrant=False)


def test_a_layer_that_was_asked_for_in_vain_is_waited_for(deep_qwen3: Path) -> None:
    """Nothing flows back through the first layers where only the last ones learn."""
    whole = worn(deep_qwen3, "none")
    model, both = shared(deep_qwen3, "none", late=True)
    for one in (whole, model):
        one.get_input_embeddings()._forward_hooks.clear()  # which have its output ask for a gradient
        for layer in checkpointable(one)[:3]:
            for weight in layer.parameters():
                weight.requires_grad_(False)
    expected, found = learned(whole), learned(model)
    assert set(found) == set(expected) and len(both.coming) == 1
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_weights_are_in_the_end_what_they_were(deep_qwen3: Path) -> None:
    kept = worn(deep_qwen3, "nf4")
    model, both = shared(deep_qwen3, "nf4", late=True)
    teacher = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.1)
    for _ in range(2):
        loss_of(model).backward()
        teacher.step()
    model.eval()
    with torch.no_grad(), model.disable_adapter(), kept.disable_adapter():
        assert torch.equal(model(input_ids=IDS).logits, kept.eval()(input_ids=IDS).logits)
    with torch.no_grad():
        assert not torch.equal(model(input_ids=IDS).logits, kept(input_ids=IDS).logits)


def test_what_is_split_is_not_handed_round_at_the_start(deep_qwen3: Path) -> None:
    model = worn(deep_qwen3, "nf4")
    names = {name for name, _ in model.named_parameters() if name.endswith("_proj.base_layer.weight")}
    with group_of_one("gloo"):
        said = split(model, ALONE)
    assert said.startswith("The base is split: of the 0.1 MiB of its layers each of the 1 GPUs keeps 0.1 MiB")
    assert set(model._ddp_params_and_buffers_to_ignore) == names and len(names) == 5 * 7


def test_a_folder_in_4_bits_is_split_as_it_is(deep_qwen3: Path, tmp_path: Path) -> None:
    base = tmp_path / "deep-nf4"
    quantize(resolve_base(str(deep_qwen3), "", DataFolder(tmp_path), "none"), base, lambda *_: None)
    expected = learned(worn(base, "none"))
    model, both = shared(base, "none", late=False)
    assert model.get_base_model().is_loaded_in_4bit
    found = learned(model)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_a_base_for_gpus_is_first_on_the_cpu(
    deep_qwen3: Path, quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    base = loaded(deep_qwen3, quantization, gpu=None)
    assert base.precision == ("nf4" if quantization == "nf4" else "bfloat16")
    assert {one.device.type for one in base.model.parameters()} == {"cpu"}
    plain = {one.dtype for name, one in base.model.named_parameters() if "_proj" not in name}
    assert plain == {torch.bfloat16}
    assert not any(hasattr(module, "_hf_hook") for module in base.model.modules())


@pytest.mark.parametrize("settings", [{}, {"quantization": "nf4", "gradient_checkpointing": True}])
def test_a_run_alone_with_a_base_of_one_share_is_the_same_run(
    deep_qwen3: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    fitted(deep_qwen3, tmp_path / "whole", max_steps=4, **settings)
    with group_of_one("gloo"):
        fitted(deep_qwen3, tmp_path / "split", max_steps=4, **settings, split_base=True)
    points = [[one.loss for one in read_losses(tmp_path / run)] for run in ("whole", "split")]
    assert points[0] == points[1] and len(points[0]) > 4
    assert same(state_at(tmp_path / "split", 4)["weights"], state_at(tmp_path / "whole", 4)["weights"])


def test_a_base_without_layers_is_refused() -> None:
    with pytest.raises(MedReasonError, match="has no layers that could be split"):
        SplitLayers([], 0, COUNT, CPU)
