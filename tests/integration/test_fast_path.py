"""The fast path of training computes what the plain path does: on the CPU, without its compilers and kernels."""

import copy
from pathlib import Path
from typing import Any

import pytest

from medreason.domain.training import TrainingConfig
from tests.fast_models import QUIET, documents, dressed, gradients, make_model, packed, partly_in_four_bits

pytestmark = QUIET


def fast(model: Any) -> Any:
    from medreason.finetune.fast import attention, parts, product

    base = model.get_base_model()
    assert attention.use(base) == "" and parts.install(base, compiled=False) == ""
    assert product.install(model) == (14, "")
    return model


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_loss_and_gradients_are_those_of_the_plain_path(kind: str, checkpointing: bool) -> None:
    import torch

    plain, batch = dressed(kind), packed(documents(23, 40, 7))
    quick = fast(copy.deepcopy(plain))
    if checkpointing:
        for model in (plain, quick):
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            model.enable_input_require_grads()
    expected, found = gradients(plain, batch), gradients(quick, batch)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)
    assert found[1].keys() == expected[1].keys() and len(found[1]) == 28
    for name, grad in found[1].items():
        assert float(grad.abs().max()) > 0, name
        torch.testing.assert_close(grad, expected[1][name], rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_each_packed_document_is_computed_as_if_it_were_alone(kind: str) -> None:
    import torch

    texts = documents(31, 5, 1, 50)
    model = fast(dressed(kind))
    with torch.no_grad():
        batch = packed(texts)
        batch.pop("labels")
        together = model(**batch, use_cache=False).logits[0].split([len(text) for text in texts])
        for text, found in zip(texts, together, strict=True):
            alone = model(input_ids=text[None], use_cache=False).logits[0]
            torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-4)
        # Another document before it changes nothing of it.
        other = packed([documents(9)[0], *texts[1:]])
        other.pop("labels")
        moved = model(**other, use_cache=False).logits[0][-50:]
        torch.testing.assert_close(moved, together[-1], rtol=1e-4, atol=1e-4)


def test_a_step_changes_the_adapter_and_leaves_the_base_as_it_is() -> None:
    import torch

    model, batch = fast(dressed()), packed(documents(20, 30))
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=1e-2)
    losses = []
    for _ in range(5):
        losses.append(float(gradients(model, batch)[0]))
        optimizer.step()
    assert losses[-1] < losses[0]
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name]) != weight.requires_grad, name


def test_with_the_adapter_off_it_is_the_base() -> None:
    import torch

    batch = packed(documents(20, 30))
    model, base = fast(dressed()), make_model("qwen3")
    with torch.no_grad(), model.disable_adapter():
        found = model(**batch, use_cache=False).loss
        torch.testing.assert_close(found, base(**batch, use_cache=False).loss, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("lora", "reason"),
    [
        ({"lora_dropout": 0.1}, "dropout acts between layer and adapter"),
        ({"use_dora": True}, "it is another kind of LoRA"),
    ],
)
def test_other_adapters_keep_their_own_product(lora: dict[str, Any], reason: str) -> None:
    from medreason.finetune.fast import product

    assert product.install(dressed(**lora)) == (0, reason)


def test_what_cannot_be_put_on_is_named_and_the_rest_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from medreason.finetune.fast import attention, parts, path

    def broken(model: Any) -> str:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(parts, "compiled_parts", lambda: parts.PLAIN)
    monkeypatch.setattr(parts, "install", broken)
    model = dressed(lora_dropout=0.1)
    lines = path.take(model, TrainingConfig(packing=True), on_gpu=True)
    assert lines == [
        "Whole layers in two steps left out: dropout acts between layer and adapter.",
        "Compiled norms, positions and gates left out: RuntimeError.",
        "LoRA in one product left out: dropout acts between layer and adapter.",
    ]
    assert model.config._attn_implementation == attention.NAME


def test_a_lever_that_is_off_and_a_cpu_leave_the_model_alone() -> None:
    from medreason.finetune.fast import path

    off = TrainingConfig(packing=True, attention="masked", fused_lora=False, compiled_parts=False)
    for config, on_gpu in ((off, True), (TrainingConfig(packing=True), False)):
        model = dressed()
        assert path.take(model, config, on_gpu) == []
        assert model.config._attn_implementation == "sdpa"
        assert all("forward" not in vars(module) for module in model.modules())


def test_four_bit_layers_are_made_plain_and_give_the_same(tmp_path: Path) -> None:
    import torch

    plain = partly_in_four_bits(dressed())
    batch = packed(documents(12, 20))
    expected = gradients(plain, batch)
    found = gradients(fast(plain), batch)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-4)
    for name, grad in found[1].items():
        torch.testing.assert_close(grad, expected[1][name], rtol=1e-3, atol=1e-4, msg=name)


def test_checkpointing_on_the_first_layers_changes_no_number_and_computes_only_those_again(
    tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the trainer: how often each layer is computed in a step, and the adapter that comes of it."""
    import torch
    from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP

    from medreason.finetune import fitting
    from tests.fitting import fitted

    computed: list[int] = []
    forward = Qwen3MLP.forward
    monkeypatch.setattr(Qwen3MLP, "forward", lambda self, x: computed.append(id(self)) or forward(self, x))
    weights, counts = {}, {}
    for count in (0, 1, 2):
        monkeypatch.setattr(fitting, "layers_to_checkpoint", lambda *given, count=count: count)
        computed.clear()
        done = fitted(
            tiny_qwen3,
            tmp_path / str(count),
            gradient_checkpointing=count > 0,
            eval_fraction=0.0,
            max_steps=1,
            lora_dropout=0.0,
        )
        assert done.checkpointed_layers == count
        made = dict.fromkeys(computed)
        counts[count] = [computed.count(one) for one in made]
        weights[count] = {name: one.detach() for name, one in done.model.named_parameters() if one.requires_grad}
    held_out = counts[0][0] - 2  # passes beside the step's two batches
    assert counts == {
        0: [2 + held_out, 2 + held_out],
        1: [4 + held_out, 2 + held_out],
        2: [4 + held_out, 4 + held_out],
    }
    for count in (1, 2):
        for name, one in weights[0].items():
            torch.testing.assert_close(weights[count][name], one, rtol=1e-6, atol=1e-7)


def test_what_is_checkpointed_goes_by_the_memory_of_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from medreason.finetune.fast.checkpointing import layers_to_checkpoint

    model, free = dressed(), [10**12]
    config = TrainingConfig(
        packing=True,
        max_length=8192,
        gradient_checkpointing=True,
        checkpoint_as_needed=True,
        target_modules="all-linear",
    )
    assert layers_to_checkpoint(model, config, [8192]) == 2  # no GPU is asked
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free[0], 10**12))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    assert layers_to_checkpoint(model, config, [8192]) == 0
    free[0] = 10**6
    assert layers_to_checkpoint(model, config, [8192]) == 2
    assert layers_to_checkpoint(model, TrainingConfig(), [8192]) == 0


def test_after_equal_tokens_the_held_out_loss_is_that_of_the_plain_recipe(
    tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two passes over the same rows: one by one on the plain path, and packed on the fast one."""
    from medreason.finetune import fitting
    from tests.fitting import fitted

    same = {"rows": 60, "epochs": 2.0, "lora_dropout": 0.0, "max_length": 256, "save_every": 0}
    same |= {"batch_size": 1, "target_modules": "all-linear", "learning_rate": 0.003}
    plain = fitted(tiny_qwen3, tmp_path / "plain", accumulation=8, **same)
    put_on = []

    def take(model: Any, config: TrainingConfig, on_gpu: bool) -> list[str]:
        put_on.append(fast(model))
        return []

    monkeypatch.setattr(fitting, "take", take)
    quick = fitted(tiny_qwen3, tmp_path / "fast", accumulation=2, packing=True, **same)
    assert put_on and quick.tokens_seen == plain.tokens_seen
    assert quick.held_out_before == pytest.approx(plain.held_out_before, rel=1e-4)
    learned = plain.held_out_before - plain.held_out_after
    assert learned > 0.5
    assert quick.held_out_after == pytest.approx(plain.held_out_after, abs=0.1 * learned)
