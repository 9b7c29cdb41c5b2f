"""The engine at the shapes of Qwen3-8B: what it decodes is what the model computes, whoever shares the batch;
it is as quick and as small as it should be; and a fault ends its own request.
"""

import threading
import time
from pathlib import Path

import pytest

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Draft
from medreason.domain.sampling import Sampling
from medreason.folder import DataFolder
from tests.integration.decoder_steps import prompt

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

QUESTION = Conversation("A 61-year-old has crushing chest pain. Explain the cause step by step.")
TYPICAL = 0.08  # root mean square difference of logits as a share of their spread: rounding of 16 bits
TOKENS_A_SECOND = {"none": 220, "nf4": 170}
PEAK_GIB = {"none": 19.0, "nf4": 7.5}


@pytest.fixture(scope="module")
def adapter_all(qwen3_8b: Path, tmp_path_factory) -> Path:
    """A random rank-16 adapter on all linear layers."""
    from medreason.engine.random_adapter import make_random_adapter
    from medreason.models.base_shape import QWEN3_8B

    names = {"q_proj": "self_attn", "k_proj": "self_attn", "v_proj": "self_attn", "o_proj": "self_attn"}
    names |= {"gate_proj": "mlp", "up_proj": "mlp", "down_proj": "mlp"}
    shapes = {
        f"model.layers.{number}.{names[name]}.{name}": QWEN3_8B.linears[name]
        for number in range(QWEN3_8B.layers)
        for name in names
    }
    return make_random_adapter(tmp_path_factory.mktemp("adapters") / "all-r16", shapes, rank=16)


@pytest.fixture(scope="module", params=["none", "nf4"])
def engine(request, qwen3_8b: Path, adapter_all: Path, tmp_path_factory):
    from medreason.engine.local import LocalEngine

    folder = DataFolder(tmp_path_factory.mktemp("data"))
    folder.prepare()
    made = LocalEngine(str(qwen3_8b), "", request.param, folder, adapter_all)
    began = time.monotonic()
    made.load()
    made._served.stops = frozenset()
    print(f"\n{request.param}: loaded in {time.monotonic() - began:.0f} s. {made.provenance.self_test}")
    made.quantization = request.param
    yield made
    made.unload()


def asked(engine, tokens: int = 64, cancelled=lambda: False, **how) -> dict[Arm, Answer]:
    sampling = Sampling(**{"temperature": 0, "max_new_tokens": tokens} | how)
    drafts = {arm: Draft(arm) for arm in ARMS}
    for event in engine.ask_pair(QUESTION, sampling, cancelled):
        drafts[event.arm].take(event)
    return {arm: draft.answer() for arm, draft in drafts.items()}


def said(answers: dict[Arm, Answer]) -> list[str]:
    return [answer.thinking + answer.text for answer in answers.values()]


def settle(engine) -> None:
    while not engine.settled():
        time.sleep(0.05)


def assert_near(found, expected) -> None:
    """Logits of one text computed in two ways: rounding apart, and of one mind wherever that does not decide."""
    apart = found - expected
    assert float(apart.square().mean().sqrt() / expected.std()) < TYPICAL
    best = expected.topk(2, dim=-1).values
    clear = best[:, 0] - best[:, 1] > 2 * apart.abs().amax(-1)
    assert bool((found.argmax(-1) == expected.argmax(-1))[clear].all())
    print(f"  apart {float(apart.abs().max()):.2g}, clear {int(clear.sum())} of {len(clear)}", end="")


def test_the_own_layers_answer_and_nothing_fell_back(engine):
    decoder = engine.decoder
    assert engine.provenance.engine == "local", engine.provenance.self_test
    settle(engine)
    steps = decoder._steps
    assert steps._graphs is not None and steps._compiled is not None and not steps._uncaptured
    assert {(2, True), (1, True), (4, True), (8, True)} <= steps._compiled.ready
    assert ("forward", 2, True) in steps._graphs


def test_both_rows_are_what_transformers_and_peft_compute(engine, adapter_all):
    """The modules under the engine are the untouched base's, with PEFT's own layers put on for the second row."""
    import torch
    from peft import PeftModel

    settle(engine)
    text = prompt(64)
    found = engine.decoder.forced([text, text], [False, True])
    model = engine._served.base.model
    ids = torch.tensor([text], device=model.device)
    with torch.inference_mode():
        assert_near(found[0], model(input_ids=ids).logits[0].float()[-found.shape[1] :])
        peft = PeftModel.from_pretrained(model, str(adapter_all)).eval()
        try:
            assert_near(found[1], peft(input_ids=ids).logits[0].float()[-found.shape[1] :])
        finally:
            peft.unload()
    assert float((found[0] - found[1]).square().mean().sqrt() / found[0].std()) > 2 * TYPICAL


def test_a_pair_is_as_quick_and_as_small_as_it_should_be(engine):
    import torch

    asked(engine, 8)
    settle(engine)
    torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(3):
        began = time.monotonic()
        asked(engine, 256)
        seconds.append(time.monotonic() - began)
    speed, peak = 2 * 256 / sorted(seconds)[1], torch.cuda.max_memory_allocated() / 2**30
    print(f"\n{engine.quantization}: {speed:.1f} tok/s, peak {peak:.2f} GiB")
    assert peak <= PEAK_GIB[engine.quantization]
    assert speed >= TOKENS_A_SECOND[engine.quantization]


def test_a_row_computes_the_same_whoever_shares_the_batch(engine):
    settle(engine)
    texts = [prompt(48, seed) for seed in range(8)]
    adapted = [bool(place % 2) for place in range(8)]
    alone = [engine.decoder.forced([text], [acts])[0] for text, acts in zip(texts, adapted, strict=True)]
    for count in (2, 4, 8):
        together = engine.decoder.forced(texts[:count], adapted[:count])
        for found, expected in zip(together, alone, strict=False):
            assert_near(found, expected)


def test_the_same_seed_says_the_same_and_another_another(engine):
    warm = {"temperature": 0.8, "top_p": 0.95, "top_k": 20}
    first = said(asked(engine, 40, seed=1, **warm))
    assert first == said(asked(engine, 40, seed=1, **warm)) != said(asked(engine, 40, seed=2, **warm))
    assert all(one.counts.thinking_tokens + one.counts.answer_tokens <= 40 for one in asked(engine, 40).values())


def test_the_cache_grows_in_the_middle_of_an_answer_and_shrinks_again(engine, monkeypatch):
    settle(engine)
    whole = said(asked(engine, 300))
    decoder = engine.decoder
    monkeypatch.setattr(decoder, "_first", 128)
    decoder.rest()
    grown = said(asked(engine, 300))
    assert [one[:40] for one in grown] == [one[:40] for one in whole]
    settle(engine)
    assert decoder._cache.length == 128


def test_four_pairs_at_once_all_end_and_the_places_are_free(engine):
    found: list = []
    threads = [threading.Thread(target=lambda: found.append(asked(engine, 100))) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join(120)
    assert [answer.finish for answers in found for answer in answers.values()] == [Finish.LENGTH] * 8
    settle(engine)
    assert not engine.decoder.rows


def test_stop_ends_both_rows_at_once(engine):
    pressed: list[float] = []
    began = time.monotonic()

    def cancelled() -> bool:
        if time.monotonic() - began > 0.5 and not pressed:
            pressed.append(time.monotonic())
        return bool(pressed)

    answers = asked(engine, 4000, cancelled)
    assert time.monotonic() - pressed[0] < 0.5
    assert {one.finish for one in answers.values()} == {Finish.CANCELLED} and all(said(answers))


def test_memory_that_does_not_suffice_ends_the_request_alone(engine):
    import torch

    settle(engine)
    before = said(asked(engine, 30))
    torch.cuda.empty_cache()  # what the allocator holds back would serve the cache of a longer answer
    free, _ = torch.cuda.mem_get_info()
    taken = torch.empty(max(0, free - 2**29), dtype=torch.uint8, device="cuda")
    failed = asked(engine, 6000)
    assert any(one.finish is Finish.FAILED and "memory did not suffice" in one.fault for one in failed.values())
    del taken
    torch.cuda.empty_cache()
    # By and by rounding decides between two tokens of random weights, for a cache of another length is summed up
    # in another order.
    assert [one[:24] for one in said(asked(engine, 30))] == [one[:24] for one in before]


def test_adapters_are_switched_without_loading_the_base_again(engine, adapter_8b: Path, adapter_all: Path):
    import torch

    settle(engine)
    before, memory = said(asked(engine, 30)), torch.cuda.memory_allocated()
    model = engine._served.base.model
    engine.switch_adapter(adapter_8b)
    assert engine._served.base.model is model and engine.provenance.adapter == "random-r16"
    other = said(asked(engine, 30))
    assert other[0][:20] == before[0][:20] and other[1] != before[1]
    engine.switch_adapter(None)
    assert list(asked(engine, 4)) and engine.state.arms == (Arm.BASELINE,)
    engine.switch_adapter(adapter_all)
    settle(engine)
    assert torch.cuda.memory_allocated() < 1.02 * memory
    assert said(asked(engine, 30))[1][:20] == before[1][:20]


@pytest.mark.parametrize("lever", ["compiled", "graphs", "late"])
def test_without_a_lever_the_same_is_computed(engine, lever):
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder

    settle(engine)
    text = prompt(32)
    with_all = engine.decoder.forced([text, text], [False, True])
    model, adapter = engine._served.base.model, engine._served.adapter
    without = OwnDecoder(model, Levers(**{lever: False}))
    without.wear(adapter)
    for found, expected in zip(without.forced([text, text], [False, True]), with_all, strict=True):
        assert_near(found, expected)
