"""The loss that is made with its gradient is the library's: on the CPU, where nothing is compiled."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fast_models import QUIET, documents, dressed, gradients, packed

pytestmark = QUIET


def taught(batch: dict[str, Any]) -> dict[str, Any]:
    """The first third of each row's tokens is not learned."""
    labels = batch["labels"].clone()
    labels[:, : labels.shape[1] // 3] = -100
    return {**batch, "labels": labels}


def by_own_loss(
    model: Any, batch: dict[str, Any], share: float, tile: int, monkeypatch: pytest.MonkeyPatch
) -> Any:
    import torch

    from medreason.finetune.fast import loss

    monkeypatch.setattr(loss, "OWN_LOSS_TILE", tile)
    base = model.get_base_model()
    assert loss.install(base, compiled=False) == ""
    said = loss.WithPlaces(lambda rows: dict(batch))(None)
    given = {name: one for name, one in said.items() if name != "labels"}
    model.zero_grad()
    found = model(**given, learned_share=torch.tensor(share), use_cache=False).loss
    found.backward()
    grads = {name: one.grad.clone() for name, one in model.named_parameters() if one.requires_grad}
    return found.detach(), grads


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize("tile", [7, 1024])
def test_loss_and_gradients_are_the_library_s(kind: str, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    plain, batch = dressed(kind), taught(packed(documents(23, 40, 7)))
    learned = int((batch["labels"][:, 1:] != -100).sum())
    found = by_own_loss(copy.deepcopy(plain), batch, 1 / learned, tile, monkeypatch)
    expected = gradients(plain, batch)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    for name, grad in found[1].items():
        assert float(grad.abs().max()) > 0, name
        torch.testing.assert_close(grad, expected[1][name], rtol=1e-4, atol=1e-6, msg=name)


def test_a_row_of_which_nothing_is_learned_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = packed(documents(12, 5))
    batch["labels"] = batch["labels"].fill_(-100)
    found, grads = by_own_loss(dressed(), batch, 1.0, 4, monkeypatch)
    assert float(found) == 0.0 and all(float(one.abs().max()) == 0.0 for one in grads.values())


def test_without_a_share_the_model_answers_as_before() -> None:
    import torch

    from medreason.finetune.fast import loss

    model, batch = dressed(), packed(documents(9, 9))
    before = model(**batch, use_cache=False).logits
    assert loss.install(model.get_base_model(), compiled=False) == ""
    torch.testing.assert_close(model(**batch, use_cache=False).logits, before)


def test_a_head_that_learns_or_has_a_bias_keeps_the_library_s_loss() -> None:
    import torch

    from medreason.finetune.fast import loss

    base = dressed().get_base_model()
    base.lm_head.weight.requires_grad_(True)
    assert loss.install(base, compiled=False) == "its head learns"
    base.lm_head = torch.nn.Linear(64, 300).requires_grad_(False)
    assert "head" in loss.install(base, compiled=False)


def test_what_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from medreason.finetune.fast import loss

    def wrong(logits: Any, words: Any, share: Any) -> Any:
        found = right(logits, words, share)
        logits.mul_(1.1)
        return found

    right = loss.into_gradient
    base = dressed().get_base_model()
    usual = base.forward
    monkeypatch.setattr(loss, "into_gradient", wrong)
    assert loss.install(base, compiled=False) == "it computes something else" and base.forward == usual


@pytest.mark.parametrize("packing", [True, False])
def test_the_trainer_comes_to_the_same_weights_and_never_asks_the_library_s_loss(
    tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: bool
) -> None:
    import torch
    from trl import SFTTrainer

    from medreason.finetune import fitting
    from medreason.finetune.fast import loss
    from tests.fitting import fitted

    settings = {"packing": packing, "batch_size": 2 - packing, "lora_dropout": 0.0}
    plain = fitted(tiny_qwen3, tmp_path / "plain", **settings)
    asked: list[bool] = []
    theirs = SFTTrainer.compute_loss

    def counted(self: Any, *given: Any, **more: Any) -> Any:
        asked.append(self.model.training)
        return theirs(self, *given, **more)

    def put_on(trainer: Any, *_: Any) -> list[str]:
        assert loss.install(trainer.model.get_base_model(), compiled=False) == ""
        trainer.data_collator = loss.WithPlaces(trainer.data_collator)
        return []

    monkeypatch.setattr(SFTTrainer, "compute_loss", counted)
    monkeypatch.setattr(fitting, "own_loss", put_on)
    quick = fitted(tiny_qwen3, tmp_path / "quick", **settings)
    assert asked and not any(asked)  # held-out rows are measured as ever
    assert quick.tokens_seen == plain.tokens_seen > 0
    assert quick.held_out_after == pytest.approx(plain.held_out_after, rel=1e-4)
    assert quick.last_loss == pytest.approx(plain.last_loss, rel=1e-4)
    weights = dict(plain.model.named_parameters())
    for name, one in quick.model.named_parameters():
        torch.testing.assert_close(one, weights[name], rtol=1e-4, atol=1e-5, msg=name)


def test_it_is_put_on_where_it_is_asked_for_and_nothing_is_in_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from medreason.domain.training import TrainingConfig
    from medreason.finetune.fast import loss, path

    said = [""]
    monkeypatch.setattr(loss, "install", lambda model: said[0])
    trainer = SimpleNamespace(model=dressed(), data_collator=dict)
    on = TrainingConfig()
    assert path.own_loss(trainer, on, on_gpu=False) == []
    for off in ({"fused_loss": False}, {"fused_lora": False}):
        assert path.own_loss(trainer, TrainingConfig(**off), on_gpu=True) == []
    assert path.own_loss(trainer, on, on_gpu=True) == ["Loss in one go left out: some of the base is in 32 bits."]
    trainer.model.to(torch.bfloat16)
    said[0] = "its head learns"
    assert path.own_loss(trainer, on, on_gpu=True) == ["Loss in one go left out: its head learns."]
    assert trainer.data_collator is dict
    said[0] = ""
    assert path.own_loss(trainer, on, on_gpu=True) == []
    assert isinstance(trainer.data_collator, loss.WithPlaces)
