"""The local engine on a tiny Qwen3: the baseline is the base, and the tuned row is what PEFT computes."""

from dataclasses import replace
from pathlib import Path

import pytest

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation, Turn
from medreason.domain.sampling import Sampling
from medreason.engine.protocol import Phase
from medreason.folder import DataFolder
from tests.integration.engine_steps import QUIET, answers, prompt, text
from tests.tiny import in_32_bits, make_adapter

pytestmark = QUIET


@pytest.fixture(scope="module")
def engine(tiny_qwen3: Path, tiny_adapter: Path, tmp_path_factory):
    from medreason.engine.local import LocalEngine

    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path_factory.mktemp("data")), tiny_adapter)
    with in_32_bits():
        made.load()
        yield made
    made.unload()


@pytest.fixture(scope="module")
def plain(tiny_qwen3: Path):
    """The base, loaded apart from the engine and never touched by an adapter."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_qwen3, dtype=torch.float32).eval()


def test_state_and_provenance_tell_what_is_loaded(engine, tiny_adapter):
    from medreason.models.hashes import file_sha256

    assert (engine.state.phase, engine.state.arms) == (Phase.READY, ARMS)
    proof = engine.provenance
    assert proof.adapter_sha256 == file_sha256(tiny_adapter / "adapter_model.safetensors")
    assert len(proof.base_sha256) == 64 and proof.precision in ("float32", "bfloat16")
    assert "bit for bit" in proof.self_test
    assert set(proof.versions) == {"torch", "transformers", "peft", "bitsandbytes"}


def test_the_module_under_the_engine_equals_the_untouched_base_bit_for_bit(engine, plain):
    import torch

    ids = torch.tensor([prompt(engine)] * 2)
    with torch.inference_mode():
        model = engine._served.base.model.float()
        assert torch.equal(model(input_ids=ids).logits, plain(input_ids=ids).logits)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_rslora": True},
        {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"q_proj": 3}},
        {"target_modules": "all-linear", "r": 2},
    ],
)
def test_every_way_to_scale_an_adapter_is_what_peft_computes(engine, tiny_qwen3, tmp_path, settings):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from medreason.engine.masked_lora import WornAdapter
    from medreason.models.adapters import read_adapter

    folder = make_adapter(tiny_qwen3, tmp_path / "scaled", strength=0.3, **settings)
    model = AutoModelForCausalLM.from_pretrained(tiny_qwen3, dtype=torch.float32).eval()
    ids = torch.tensor([prompt(engine)])
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    worn = WornAdapter(model, read_adapter(folder))
    worn.rows([True])
    with torch.inference_mode():
        ours = model(input_ids=ids).logits
    worn.take_off()
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    with torch.inference_mode():
        peft = PeftModel.from_pretrained(model, folder).eval()
        torch.testing.assert_close(ours, peft(input_ids=ids).logits, rtol=1e-4, atol=1e-3)


def test_a_greedy_pair_says_what_two_separate_runs_say(engine, plain, tiny_qwen3, tiny_adapter):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    said = answers(engine)
    base = AutoModelForCausalLM.from_pretrained(tiny_qwen3, dtype=torch.float32)
    peft = PeftModel.from_pretrained(base, tiny_adapter).eval()
    ids = torch.tensor([prompt(engine)])
    for arm, model in ((Arm.BASELINE, plain), (Arm.FINETUNED, peft)):
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False
        )
        expected = engine._served.base.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        assert text(said[arm]) == expected.strip()
    assert text(said[Arm.BASELINE]) != text(said[Arm.FINETUNED])


def test_a_second_turn_with_prompts_of_different_length_reads_each_as_if_alone(engine):
    turn = Turn("Why?", Answer(text="Because of a clot.", finish=Finish.STOP), Answer(finish=Finish.STOP))
    second = Conversation("And then?", (turn,))
    assert len(prompt(engine, second)) != len(prompt(engine, second, Arm.FINETUNED))
    paired = answers(engine, second)
    for arm in ARMS:
        # the same history on both arms: no padding, and the arm in question reads its own words
        alone = Conversation("And then?", (replace(turn, baseline=turn.answer(arm), finetuned=turn.answer(arm)),))
        assert text(paired[arm]) == text(answers(engine, alone)[arm])
        assert paired[arm].counts.prompt_tokens == len(prompt(engine, second, arm))


def test_the_same_seed_says_the_same_and_another_seed_another(engine):
    sampling = Sampling(temperature=1.5, top_k=0, top_p=1.0, max_new_tokens=12)
    first, again = answers(engine, sampling=sampling), answers(engine, sampling=sampling)
    other = answers(engine, sampling=replace(sampling, seed=43))
    for arm in ARMS:
        assert text(first[arm]) == text(again[arm]) != text(other[arm])


def test_top_k_one_is_greedy(engine):
    narrow = Sampling(temperature=1.0, top_k=1, max_new_tokens=12)
    assert {arm: text(one) for arm, one in answers(engine, sampling=narrow).items()} == {
        arm: text(one) for arm, one in answers(engine).items()
    }
