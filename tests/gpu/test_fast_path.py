"""The fast path at the width of Qwen3-8B, with its kernels and its compiler: loss and gradients are those of the
plain path up to rounding, and no document of a packed row sees another.
"""

import copy
from typing import Any

import pytest

from medreason.finetune.examples import IGNORED
from medreason.models.base_shape import QWEN3_8B
from tests.fast_models import packed

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

LAYERS, VOCABULARY = 3, 4096
ROUNDING = 0.034  # of gradients, measured between two ways of the library to attend
APART = 0.03  # of the spread of logits: rounding of 16 bits, over three layers


@pytest.fixture(scope="module", params=["none", "nf4"])
def dressed(request: pytest.FixtureRequest) -> Any:
    """Three layers of random weights with an adapter on all linear layers, in 16 or 4 bits."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    import transformers
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=QWEN3_8B.hidden,
        intermediate_size=QWEN3_8B.intermediate,
        num_hidden_layers=LAYERS,
        num_attention_heads=QWEN3_8B.heads,
        num_key_value_heads=QWEN3_8B.kv_heads,
        head_dim=QWEN3_8B.head_dim,
        attn_implementation="sdpa",
        tie_word_embeddings=False,
    )
    model = transformers.Qwen3ForCausalLM(config).to("cuda", torch.bfloat16).requires_grad_(False)
    if request.param == "nf4":
        from bitsandbytes.nn import Linear4bit

        for layer in model.model.layers:
            for part in (layer.self_attn, layer.mlp):
                for name, linear in list(part.named_children()):
                    if type(linear) is torch.nn.Linear:
                        four = Linear4bit(
                            linear.in_features,
                            linear.out_features,
                            bias=False,
                            compute_dtype=torch.bfloat16,
                            quant_type="nf4",
                        )
                        four.load_state_dict({"weight": linear.weight.cpu()}, strict=False)
                        setattr(part, name, four.to("cuda").requires_grad_(False))
    worn = get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, weight in worn.named_parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(torch.bfloat16)
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
    return worn.train()


def batch_of(*lengths: int) -> dict[str, Any]:
    import torch

    torch.manual_seed(3)
    batch = packed([torch.randint(0, VOCABULARY, (length,)) for length in lengths])
    return {name: one.to("cuda") if hasattr(one, "to") else one for name, one in batch.items()}


def fast(model: Any) -> Any:
    from medreason.domain.training import TrainingConfig
    from medreason.finetune.fast import attention, path

    quick = copy.deepcopy(model)
    assert path.take(quick, TrainingConfig(packing=True), on_gpu=True) == []
    assert attention.has_flash()
    return quick


def gradients(model: Any, batch: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    model.zero_grad()
    loss = model(**batch, use_cache=False).loss
    loss.backward()
    return float(loss), {name: w.grad.float() for name, w in model.named_parameters() if w.requires_grad}


def test_loss_and_gradients_agree_with_the_plain_path(dressed: Any) -> None:
    batch = batch_of(700, 333, 64, 951)
    expected, found = gradients(dressed, batch), gradients(fast(dressed), batch)
    assert abs(found[0] - expected[0]) < 2e-3 * expected[0]
    assert len(found[1]) == LAYERS * 14
    other = copy.deepcopy(dressed)
    other.get_base_model().set_attn_implementation("eager")  # as right as the plain path, and rounded otherwise
    rounding, worst = (furthest(one, expected[1]) for one in (gradients(other, batch)[1], found[1]))
    print(f"\nloss {found[0]:.5f} against {expected[0]:.5f}, gradients {worst:.1e} apart; rounding {rounding:.1e}")
    assert worst < 2 * rounding


def furthest(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest difference of a gradient, as a share of its norm."""
    return max(float((found[name] - grad).norm() / grad.norm()) for name, grad in expected.items())


def test_each_packed_document_is_computed_as_if_it_were_alone(dressed: Any) -> None:
    import torch

    lengths = (700, 5, 333, 951)
    model, batch = fast(dressed), batch_of(*lengths)
    with torch.no_grad():
        ids = batch["input_ids"]
        labels = batch.pop("labels")
        together = model(**batch, use_cache=False).logits[0].float().split(list(lengths))
        for text, found in zip(ids[0].split(list(lengths)), together, strict=True):
            alone = model(input_ids=text[None], use_cache=False).logits[0].float()
            assert float((found - alone).square().mean().sqrt() / alone.std()) < APART
    assert labels.shape == ids.shape


@pytest.mark.parametrize(("again", "keep_attention"), [(0, False), (2, False), (2, True)])
def test_graphs_compute_what_the_layers_do_one_by_one(
    dressed: Any, again: int, keep_attention: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of different lengths in turn, the first layers checkpointed or none."""
    from medreason.finetune.fast import graph, trunk

    captured, capture = [], graph.Graphs.__call__
    spied = lambda self, work: captured.append(work.__name__) or capture(self, work)  # noqa: E731
    monkeypatch.setattr(graph.Graphs, "__call__", spied)
    one_by_one, replayed = fast(dressed), fast(dressed)
    base = replayed.get_base_model()
    for model in (one_by_one.get_base_model(), base):
        for layer in model.model.layers[:again]:
            layer.own.again = True
    rows = [(700, 333, 64, 951), (5, 60), (951, 1000), (700, 333, 64, 951)]
    assert trunk.install(base, graph.Room.of(rows, 1), keep_attention) == ""
    filled, full, again_worst = 0.0, 0.0, 0.0
    for lengths in rows:
        batch = batch_of(*lengths)
        expected, found = gradients(one_by_one, batch), gradients(replayed, batch)
        other = gradients(one_by_one, batch)  # the order in which attention adds up differs from time to time
        assert abs(found[0] - expected[0]) < 1e-3 * expected[0]
        apart = furthest(found[1], expected[1])
        if sum(lengths) == max(map(sum, rows)):
            full = max(full, apart)
        else:
            filled = max(filled, apart)
        again_worst = max(again_worst, furthest(other[1], expected[1]))
    print(f"\ngradients {full:.1e} apart, of rows filled up {filled:.1e}; the same again {again_worst:.1e}")
    assert full < 3 * again_worst
    assert filled < 2 * ROUNDING  # other products, since these are of another length
    assert captured == ["_forward", "_backward"]
    summed = []
    for model in (one_by_one, replayed):
        model.zero_grad()
        for lengths in rows:
            model(**batch_of(*lengths), use_cache=False).loss.backward()
        summed.append({name: w.grad.float() for name, w in model.named_parameters() if w.requires_grad})
    assert furthest(summed[1], summed[0]) < 2 * ROUNDING


def test_the_loss_in_one_go_is_the_library_s(dressed: Any) -> None:
    """Over some rows of different lengths, a third of each not learned; compiled once for all of them."""
    import torch

    from medreason.finetune.fast import loss

    plain, own = fast(dressed), fast(dressed)
    assert loss.install(own.get_base_model()) == ""
    for lengths in ((700, 333, 64, 951), (5, 60), (951, 1000, 2300)):
        batch = batch_of(*lengths)
        batch["labels"][:, : sum(lengths) // 3] = IGNORED
        learned = int((batch["labels"][:, 1:] != IGNORED).sum())
        expected = gradients(plain, batch)
        said = loss.WithPlaces(lambda rows, batch=batch: dict(batch))(None)
        del said["labels"]
        own.zero_grad()
        found = own(**said, learned_share=torch.tensor(1 / learned, device="cuda"), use_cache=False).loss
        found.backward()
        grads = {name: w.grad.float() for name, w in own.named_parameters() if w.requires_grad}
        apart, worst = abs(float(found.detach()) - expected[0]), furthest(grads, expected[1])
        print(f"\nloss {float(found.detach()):.5f} against {expected[0]:.5f}, gradients {worst:.1e} apart")
        assert apart < 1e-3 * expected[0] and worst < 2 * ROUNDING
