"""Layers in two steps, and all of them replayed, compute what the plain path does: on the CPU, where a stand-in
for CUDA graphs does the work again at the same places.
"""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medreason.domain.training import TrainingConfig
from tests.fast_models import (
    ALL_LINEAR,
    QUIET,
    documents,
    dressed,
    gradients,
    make_model,
    packed,
    partly_in_four_bits,
)

pytestmark = QUIET

ROWS = [(23, 40, 7), (30, 30), (60,)]


class Again:
    """Stands in for CUDA graphs: does the work again, gives its results at the places of the first time, and
    refuses where a tensor that it reads has moved."""

    captured = 0

    def __call__(self, work: Any) -> Callable[[], None]:
        Again.captured += 1
        layers = work.__self__
        work()
        places, first = self._places(layers), self._results(layers)

        def replay() -> None:
            assert self._places(layers) == places, "a tensor moved that a graph reads"
            work()
            for name, one in self._results(layers).items():
                for place, result in zip(self._listed(first[name]), self._listed(one), strict=True):
                    place.data.copy_(result)  # as a graph does: autograd is not told
                setattr(layers, name, first[name])

        return replay

    def _places(self, layers: Any) -> list[int]:
        return [one.data_ptr() for one in (layers._x, layers._grad, layers._cos, layers._sin, layers._starts)]

    def _results(self, layers: Any) -> dict[str, Any]:
        return {name: vars(layers)[name] for name in ("_said", "_of_x", "_whole") if name in vars(layers)}

    def _listed(self, result: Any) -> list[Any]:
        return [] if result is None else result if isinstance(result, list) else [result]


@pytest.fixture(autouse=True)
def _counted() -> None:
    Again.captured = 0


def in_two_steps(model: Any, again: int = 0) -> Any:
    """The first `again` layers are checkpointed."""
    from medreason.finetune.fast import attention, parts, steps

    base = model.get_base_model()
    assert attention.use(base) == "" and steps.install(base, parts.PLAIN) == ""
    for one in base.model.layers[:again]:
        one.own.again = True
    return model


def replayed(model: Any, again: int = 0, keep_attention: bool = False, rows: Any = ROWS) -> Any:
    from medreason.finetune.fast import graph, trunk

    base = in_two_steps(model, again).get_base_model()
    assert trunk.install(base, graph.Room.of(rows, 1), keep_attention, Again) == ""
    return model


def assert_same(found: Any, expected: Any) -> None:
    import torch

    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)
    assert found[1].keys() == expected[1].keys()
    for name, grad in found[1].items():
        assert float(grad.abs().max()) > 0, name
        torch.testing.assert_close(grad, expected[1][name], rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize("targets", [ALL_LINEAR, ["q_proj", "v_proj"], ["down_proj", "k_proj"]])
@pytest.mark.parametrize(("again", "flows"), [(0, False), (0, True), (2, False), (1, True)])
def test_loss_and_gradients_are_those_of_the_plain_path(kind: str, targets: Any, again: int, flows: bool) -> None:
    plain, batch = dressed(kind, target_modules=targets), packed(documents(23, 40, 7))
    quick = in_two_steps(copy.deepcopy(plain), again)
    if flows:
        for model in (plain, quick):
            model.enable_input_require_grads()
    assert_same(gradients(quick, batch), gradients(plain, batch))


def test_each_adapter_keeps_its_own_rank_and_scale() -> None:
    lora = {"rank_pattern": {"k_proj": 2, "up_proj": 6}, "alpha_pattern": {"v_proj": 3, "gate_proj": 20}}
    plain, batch = dressed(**lora), packed(documents(12, 20))
    assert_same(gradients(in_two_steps(copy.deepcopy(plain)), batch), gradients(plain, batch))


def test_rows_that_are_padded_instead_of_packed_are_computed_the_same() -> None:
    import torch

    plain = dressed()
    ids = torch.stack(documents(20, 20))
    mask = torch.ones_like(ids)
    mask[1, 15:] = 0
    batch = {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}
    for again in (0, 2):
        assert_same(gradients(in_two_steps(copy.deepcopy(plain), again), batch), gradients(plain, batch))


def test_four_bit_layers_are_made_plain_and_give_the_same() -> None:
    import torch

    plain = partly_in_four_bits(dressed())
    batch = packed(documents(12, 20))
    expected = gradients(plain, batch)
    found = gradients(in_two_steps(plain), batch)
    for name, grad in found[1].items():
        torch.testing.assert_close(grad, expected[1][name], rtol=1e-3, atol=1e-4, msg=name)


def test_with_the_adapter_off_it_is_the_base_and_it_still_generates() -> None:
    import torch

    batch = packed(documents(20, 30))
    model, base = replayed(dressed()), make_model("qwen3")
    expected = base(**batch, use_cache=False).loss
    with torch.no_grad(), model.disable_adapter():
        torch.testing.assert_close(model(**batch, use_cache=False).loss, expected, rtol=1e-5, atol=1e-5)
    with model.disable_adapter():
        torch.testing.assert_close(model(**batch, use_cache=False).loss, expected, rtol=1e-5, atol=1e-5)
        asked = documents(6)[0][None]
        how = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0}
        assert torch.equal(model.generate(input_ids=asked, **how), base.generate(input_ids=asked, **how))
    assert Again.captured == 0


@pytest.mark.parametrize(
    ("lora", "reason"),
    [
        ({"lora_dropout": 0.1}, "dropout acts between layer and adapter"),
        ({"use_dora": True}, "it is another kind of LoRA"),
    ],
)
def test_what_it_would_not_compute_exactly_is_left_to_the_library(lora: dict[str, Any], reason: str) -> None:
    from medreason.finetune.fast import graph, parts, steps, trunk

    base = dressed(**lora).get_base_model()
    assert steps.install(base, parts.PLAIN) == reason
    assert all("forward" not in vars(one) for one in base.model.layers)
    assert trunk.install(base, graph.Room.of(ROWS, 1)) == "the layers are not in two steps"
    assert all("forward" not in vars(one) for one in base.model.layers)


def test_dropout_within_attention_is_left_to_the_library() -> None:
    from medreason.finetune.fast import parts, steps

    base = dressed().get_base_model()
    base.config.attention_dropout = 0.1
    assert steps.install(base, parts.PLAIN) == "dropout acts within attention"


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
@pytest.mark.parametrize(("again", "keep_attention"), [(0, False), (1, True), (2, False)])
@pytest.mark.parametrize("flows", [False, True])
def test_rows_in_turn_through_the_graphs_are_what_the_plain_path_makes_of_each(
    kind: str, again: int, keep_attention: bool, flows: bool
) -> None:
    """Full ones, short ones that are filled up, and a full one again."""
    plain = dressed(kind)
    quick = replayed(copy.deepcopy(plain), again, keep_attention)
    if flows:
        for model in (plain, quick):
            model.enable_input_require_grads()
    for lengths in ((23, 40, 7), (30, 5), (60,), (2, 1, 3), (23, 40, 7)):
        batch = packed(documents(*lengths))
        assert_same(gradients(quick, batch), gradients(plain, batch))
    assert Again.captured == 2


def test_batches_of_a_step_add_up() -> None:
    import torch

    plain = dressed()
    quick = replayed(copy.deepcopy(plain))
    for model in (plain, quick):
        model.zero_grad()
        for lengths in ROWS:
            model(**packed(documents(*lengths)), use_cache=False).loss.backward()
    for one, other in zip(quick.parameters(), plain.parameters(), strict=True):
        if other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_what_does_not_fit_goes_layer_by_layer() -> None:
    """A row that is longer than those the graphs were made for."""
    plain = dressed()
    quick = replayed(copy.deepcopy(plain))
    batch = packed(documents(60, 40))
    assert_same(gradients(quick, batch), gradients(plain, batch))
    assert Again.captured == 0


def test_a_row_whose_place_was_taken_is_refused() -> None:
    model = replayed(dressed())
    first, second = (model(**packed(documents(*row)), use_cache=False).loss for row in ROWS[:2])
    second.backward()
    with pytest.raises(RuntimeError, match="another row has taken the place"):
        first.backward()


def test_graphs_that_cannot_be_captured_are_named_and_the_layers_work_one_by_one(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from medreason.finetune.fast import graph, trunk

    def refusing() -> Any:
        def capture(work: Any) -> Any:
            raise RuntimeError("operation not permitted when stream is capturing")

        return capture

    plain = dressed()
    quick = in_two_steps(copy.deepcopy(plain))
    assert trunk.install(quick.get_base_model(), graph.Room.of(ROWS, 1), False, refusing) == ""
    for lengths in ROWS:
        batch = packed(documents(*lengths))
        assert_same(gradients(quick, batch), gradients(plain, batch))
    assert capsys.readouterr().out == "CUDA graphs left out: RuntimeError.\n"
    assert "could not be captured" in caplog.text


def test_graphs_that_compute_something_else_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    from medreason.finetune.fast import graph, trunk

    class Wrong(Again):
        def __call__(self, work: Any) -> Callable[[], None]:
            replay, layers = super().__call__(work), work.__self__

            def wrongly() -> None:
                replay()
                if work.__name__ == "_backward":
                    layers._whole.mul_(2)

            return wrongly

    plain = dressed()
    quick = in_two_steps(copy.deepcopy(plain))
    assert trunk.install(quick.get_base_model(), graph.Room.of(ROWS, 1), False, Wrong) == ""
    batch = packed(documents(23, 40, 7))
    assert_same(gradients(quick, batch), gradients(plain, batch))
    assert capsys.readouterr().out == "CUDA graphs left out: they compute something else.\n"


def test_four_bit_layers_made_plain_once_give_the_same_and_are_never_made_plain_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch
    from bitsandbytes import functional

    from medreason.finetune.fast import steps

    plain = partly_in_four_bits(dressed())
    quick = in_two_steps(copy.deepcopy(plain))
    batch = packed(documents(23, 40))
    before = gradients(quick, batch)
    stored = [one.clone() for one in quick.parameters() if not one.requires_grad]
    assert steps.keep_weights(quick.get_base_model()) == ""
    monkeypatch.delattr(functional, "dequantize_4bit")
    found = gradients(quick, batch)
    torch.testing.assert_close(found[0], before[0], rtol=0, atol=0)
    for name, grad in found[1].items():
        torch.testing.assert_close(grad, before[1][name], rtol=0, atol=0, msg=name)
    now = [one for one in quick.parameters() if not one.requires_grad]
    assert all(torch.equal(one, other) for one, other in zip(now, stored, strict=True))
    assert steps.keep_weights(plain.get_base_model()) == "the layers are not in two steps"


@pytest.mark.parametrize(
    ("checkpointed", "room", "said"),
    [
        (0, True, "The 4-bit layers were made plain once and for all."),
        (0, False, "Plain copies of the 4-bit layers left out: the GPU has no room for them."),
        (1, True, "Plain copies of the 4-bit layers left out: the GPU has no room for them."),
    ],
)
def test_the_log_says_whether_four_bit_layers_were_made_plain(
    checkpointed: int, room: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medreason.finetune.fast import path

    monkeypatch.setattr(path, "makes_plain", lambda *given: room)
    model, config = in_two_steps(partly_in_four_bits(dressed())), TrainingConfig(packing=True, plain_weights=True)
    assert path.keep_weights(model, config, checkpointed, [60], on_gpu=True) == []  # its base says it has none
    model.get_base_model().is_loaded_in_4bit = True
    assert path.keep_weights(model, config, checkpointed, [60], on_gpu=False) == []
    assert path.keep_weights(model, TrainingConfig(), checkpointed, [60], on_gpu=True) == []
    assert path.keep_weights(model, config, checkpointed, [60], on_gpu=True) == [said]
    split = replace(config, split_base=True, gpus=2)
    (line,) = path.keep_weights(model, split, checkpointed, [60], on_gpu=True)
    assert line == "Plain copies of the 4-bit layers left out: the base is split."


def test_room_is_for_the_largest_batch_filled_up() -> None:
    from medreason.finetune.fast.graph import Room

    assert Room.of([[700, 300], [100, 90, 80]], 1) == Room(1000, 3 + 2, 700)
    assert Room.of([[700, 300], [100, 90, 80]], 2) == Room(2000, 6 + 3, 700)


def test_graphs_are_asked_for_only_where_all_that_they_need_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from medreason.finetune.fast import graph, path, trunk

    asked = []
    monkeypatch.setattr(trunk, "install", lambda model, room, keep: asked.append((room, keep)) or "")
    config = TrainingConfig(packing=True, keep_attention=True)
    rows = [{"seq_lengths": list(row)} for row in ROWS]
    for more in (
        {"cuda_graphs": False},
        {"fused_lora": False},
        {"compiled_parts": False},
        {"attention": "masked"},
        {"lora_dropout": 0.1},
    ):
        assert path.replay(dressed(), replace(config, **more), rows, True) == []
    split = replace(config, split_base=True, gpus=2)
    assert path.replay(dressed(), split, rows, on_gpu=True) == ["CUDA graphs left out: the base is split."]
    assert path.replay(dressed(), replace(split, cuda_graphs=False), rows, on_gpu=True) == []
    assert path.replay(dressed(), config, rows, on_gpu=False) == [] and asked == []
    assert path.replay(dressed(), config, rows, on_gpu=True) == []
    assert asked == [(graph.Room.of(ROWS, 1), True)]


def test_all_of_it_is_put_on_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from medreason.finetune.fast import parts, path
    from medreason.finetune.fast.steps import own_of

    monkeypatch.setattr(parts, "compiled_parts", lambda: parts.PLAIN)
    model = dressed()
    assert path.take(model, TrainingConfig(packing=True), on_gpu=True) == []
    assert all(own_of(one) for one in model.get_base_model().model.layers)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_what_is_compiled_serves_any_number_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torch._dynamo.utils import counters

    from medreason.finetune.fast import attention, parts, steps

    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: compiler(function, backend="eager"))
    plain = dressed()
    quick = copy.deepcopy(plain)
    base = quick.get_base_model()
    assert attention.use(base) == "" and steps.install(base, parts.compiled_parts()) == ""
    counters.clear()
    assert_same(gradients(quick, packed(documents(20, 30))), gradients(plain, packed(documents(20, 30))))
    made = counters["stats"]["unique_graphs"]
    for lengths in ((10, 7), (60, 5, 80)):
        batch = packed(documents(*lengths))
        assert_same(gradients(quick, batch), gradients(plain, batch))
    assert made > 0 and counters["stats"]["unique_graphs"] == made


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_trainer_checkpoints_as_many_layers_as_it_is_told_and_comes_to_the_same_weights(
    tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    import torch

    from medreason.finetune import fitting
    from medreason.finetune.fast.layer import OwnLayer
    from tests.fitting import fitted

    settings = {
        "gradient_checkpointing": True,
        "keep_attention": True,
        "packing": True,
        "batch_size": 1,
        "eval_fraction": 0.0,
        "max_steps": 2,
        "lora_dropout": 0.0,
    }
    monkeypatch.setattr(fitting, "layers_to_checkpoint", lambda *given: count)
    plain = fitted(tiny_qwen3, tmp_path / "plain", **{**settings, "gradient_checkpointing": False})
    again: Counter[int] = Counter()
    forward, forward_kept = OwnLayer.forward, OwnLayer.forward_kept

    def counted(change: int, work: Any) -> Any:
        def called(own: OwnLayer, *given: Any) -> Any:
            again[own.layer.self_attn.layer_idx] += change
            return work(own, *given)

        return called

    monkeypatch.setattr(OwnLayer, "forward_kept", counted(+1, forward_kept))
    monkeypatch.setattr(OwnLayer, "forward", counted(-1, forward))  # which calls the other
    monkeypatch.setattr(fitting, "take", lambda model, *_: in_two_steps(model) and [])

    def replay(model: Any, config: TrainingConfig, rows: Any, on_gpu: bool) -> list[str]:
        from medreason.finetune.fast import graph, trunk

        room = graph.Room.of([row["seq_lengths"] for row in rows], config.batch_size)
        assert trunk.install(model.get_base_model(), room, config.keep_attention, Again) == ""
        return []

    monkeypatch.setattr(fitting, "replay", replay)
    quick = fitted(tiny_qwen3, tmp_path / "quick", **settings)
    assert Again.captured == 2 and quick.checkpointed_layers == count
    assert quick.tokens_seen == plain.tokens_seen > 0
    batches = 3 + 2 * 2  # while the graphs are made and tried, and two in each step
    assert again == {layer: batches if layer < count else 0 for layer in range(2)}
    weights = dict(plain.model.named_parameters())
    for name, one in quick.model.named_parameters():
        torch.testing.assert_close(one, weights[name], rtol=1e-4, atol=1e-5, msg=name)
