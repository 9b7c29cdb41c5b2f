"""The local engine on a tiny Qwen3: the baseline is the base, the tuned row is what PEFT computes, and
nothing that goes wrong in one request is felt in the next."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation, Turn
from medreason.domain.events import Draft, Event, Started
from medreason.domain.sampling import Sampling
from medreason.engine.protocol import Phase
from medreason.errors import MedReasonError, NotReady
from medreason.folder import DataFolder
from tests.tiny import make_adapter

pytestmark = [
    # peft 0.21 still reads an attribute that transformers 5.2x has renamed
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
    # torch warns of its own calls when a device is asked for on a build without it
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]

GREEDY = Sampling(temperature=0, max_new_tokens=12)
QUESTION = Conversation("A man has crushing chest pain. Why?")


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def engine(tiny_qwen3: Path, tiny_adapter: Path, tmp_path_factory):
    from medreason.engine.local import LocalEngine

    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path_factory.mktemp("data")), tiny_adapter)
    made.load()
    return made


def answers(engine, conversation=QUESTION, sampling=GREEDY, cancelled=never) -> dict[Arm, Answer]:
    return gather(engine.ask_pair(conversation, sampling, cancelled))


def gather(events) -> dict[Arm, Answer]:
    drafts: dict[Arm, Draft] = {}
    for event in events:
        drafts.setdefault(event.arm, Draft(event.arm)).take(event)
    return {arm: draft.answer() for arm, draft in drafts.items()}


def text(answer: Answer) -> str:
    return answer.thinking + answer.text


@pytest.fixture(scope="module")
def plain(tiny_qwen3: Path):
    """The base, loaded apart from the engine and never touched by an adapter."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_qwen3, dtype=torch.float32).eval()


def prompt(engine, conversation=QUESTION, arm=Arm.BASELINE) -> list[int]:
    from medreason.text.template import prompt_ids

    return prompt_ids(engine._base.tokenizer, conversation.messages(arm), thinking=True)


def test_state_and_provenance_tell_what_is_loaded(engine, tiny_adapter):
    from medreason.models.hashes import file_sha256

    assert (engine.state.phase, engine.state.arms) == (Phase.READY, ARMS)
    proof = engine.provenance
    assert proof.adapter_sha256 == file_sha256(tiny_adapter / "adapter_model.safetensors")
    assert len(proof.base_sha256) == 64 and proof.precision in ("float32", "bfloat16")
    assert "bit for bit" in proof.self_test
    assert set(proof.versions) == {"torch", "transformers", "peft", "bitsandbytes"}


def test_adapter_off_equals_the_untouched_base_bit_for_bit(engine, plain):
    import torch

    ids = torch.tensor([prompt(engine)] * 2)
    engine._worn.off()
    with torch.inference_mode():
        model = engine._base.model.float()
        assert torch.equal(model(input_ids=ids).logits, plain(input_ids=ids).logits)


def test_the_rows_of_a_pair_are_the_base_and_what_peft_computes(engine, plain, tiny_qwen3, tiny_adapter):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(tiny_qwen3, dtype=torch.float32)
    peft = PeftModel.from_pretrained(base, tiny_adapter).eval()
    ids = torch.tensor([prompt(engine)])
    engine._worn.rows([False, True])
    try:
        with torch.inference_mode():
            pair = engine._base.model(input_ids=ids.repeat(2, 1)).logits
            torch.testing.assert_close(pair[:1], plain(input_ids=ids).logits, rtol=1e-4, atol=1e-3)
            torch.testing.assert_close(pair[1:], peft(input_ids=ids).logits, rtol=1e-4, atol=1e-3)
            assert (pair[0] - pair[1]).abs().max() > 0.1
    finally:
        engine._worn.off()


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
        expected = engine._base.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
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


def test_stop_keeps_what_was_said(engine):
    whole = answers(engine)
    seen: list[Event] = []

    def cancelled() -> bool:
        return len(seen) > 8

    stream = engine.ask_pair(QUESTION, GREEDY, cancelled)
    for event in stream:
        seen.append(event)
    stopped = gather(seen)
    for arm in ARMS:
        assert stopped[arm].finish is Finish.CANCELLED
        assert text(stopped[arm]) and text(whole[arm]).startswith(text(stopped[arm]))


def test_a_budget_that_runs_out_is_told_as_length(engine):
    said = answers(engine, sampling=replace(GREEDY, max_new_tokens=1))
    assert {one.finish for one in said.values()} == {Finish.LENGTH}


def test_a_row_that_ends_leaves_the_other_to_go_on(engine, monkeypatch):
    """The baseline's third token is made the one that ends a turn."""
    whole = answers(engine)
    drawn = engine._base.tokenizer(text(whole[Arm.BASELINE]), add_special_tokens=False)["input_ids"]
    steps: list[int] = []
    from medreason.engine import decoding

    step = decoding.Batch.step
    monkeypatch.setattr(decoding.Batch, "step", lambda self: steps.append(len(self._next)) or step(self))
    monkeypatch.setattr(engine, "_stops", frozenset(drawn[2:3]))
    said = answers(engine)
    assert said[Arm.BASELINE].finish is Finish.STOP
    assert text(said[Arm.FINETUNED]) == text(whole[Arm.FINETUNED])
    assert steps[0] == 2 and steps[-1] == 1 and len(steps) == 12


def test_a_fault_in_one_request_leaves_the_next_right(engine, monkeypatch):
    from medreason.engine import decoding

    before = answers(engine)
    step, calls = decoding.Batch.step, []

    def faulty(self):
        calls.append(1)
        if len(calls) == 4:
            raise MemoryError
        return step(self)

    monkeypatch.setattr(decoding.Batch, "step", faulty)
    failed = answers(engine)
    for arm in ARMS:
        assert failed[arm].finish is Finish.FAILED
        assert "memory did not suffice" in failed[arm].fault
        assert text(failed[arm]) and text(before[arm]).startswith(text(failed[arm]))
    monkeypatch.undo()
    assert [text(one) for one in answers(engine).values()] == [text(one) for one in before.values()]


def test_numbers_that_are_not_finite_fail_one_arm_and_spare_the_other(engine, monkeypatch):
    from medreason.engine import decoding

    whole = answers(engine)
    step = decoding.Batch.step

    def broken(self):
        logits = step(self).clone()
        if len(logits) == 2:
            logits[0] = float("nan")
        return logits

    monkeypatch.setattr(decoding.Batch, "step", broken)
    said = answers(engine)
    assert said[Arm.BASELINE].finish is Finish.FAILED and "not finite" in said[Arm.BASELINE].fault
    assert text(said[Arm.FINETUNED]) == text(whole[Arm.FINETUNED])


def test_what_does_not_fit_the_context_is_refused_in_words(engine):
    said = answers(engine, sampling=replace(GREEDY, max_new_tokens=1020))
    for answer in said.values():
        assert answer.finish is Finish.FAILED and "1,024 tokens" in answer.fault and not answer.text


def test_a_stream_closed_early_frees_the_engine(engine):
    stream = engine.ask_pair(QUESTION, GREEDY, never)
    next(stream)
    next(stream)
    stream.close()
    assert engine._worn._switch.mask is None
    assert answers(engine)[Arm.BASELINE].finish is Finish.LENGTH


def test_a_waiting_question_that_is_cancelled_leaves_the_line(engine):
    running = engine.ask_pair(QUESTION, GREEDY, never)
    assert isinstance(next(running), Started)
    cancel, said = threading.Event(), {}
    waiting = threading.Thread(target=lambda: said.update(answers(engine, cancelled=cancel.is_set)))
    waiting.start()
    cancel.set()
    waiting.join(10)
    assert not waiting.is_alive()
    assert {one.finish for one in said.values()} == {Finish.CANCELLED} and len(said) == 2
    assert gather(running)[Arm.FINETUNED].finish is Finish.LENGTH


def test_adapters_are_switched_and_the_baseline_stays(engine, tiny_qwen3, tiny_adapter, tmp_path):
    first = answers(engine)
    other = make_adapter(tiny_qwen3, tmp_path / "other", strength=0.5, seed=9)
    engine.switch_adapter(other)
    second = answers(engine)
    assert engine.provenance.adapter == "other"
    assert text(second[Arm.BASELINE]) == text(first[Arm.BASELINE])
    assert text(second[Arm.FINETUNED]) != text(first[Arm.FINETUNED])
    engine.switch_adapter(None)
    assert list(answers(engine)) == [Arm.BASELINE] == list(engine.state.arms)
    assert engine.provenance.adapter == engine.provenance.adapter_sha256 == ""
    engine.switch_adapter(tiny_adapter)
    assert text(answers(engine)[Arm.FINETUNED]) == text(first[Arm.FINETUNED])


@pytest.mark.parametrize("strength", [0.0, float("inf")])
def test_an_adapter_that_cannot_be_compared_leaves_the_one_in_use(engine, tiny_qwen3, tmp_path, strength):
    """One that changes nothing, and one whose numbers are not finite."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = make_adapter(tiny_qwen3, tmp_path / "useless", strength=0.0)
    if strength:
        weights = load_file(folder / "adapter_model.safetensors")
        filled = {name: torch.full_like(weight, strength) for name, weight in weights.items()}
        save_file(filled, folder / "adapter_model.safetensors")
    before, said = engine.provenance, answers(engine)
    with pytest.raises(MedReasonError, match="changes nothing" if not strength else "not finite"):
        engine.switch_adapter(folder)
    assert engine.provenance == before and engine.state.arms == ARMS
    assert text(answers(engine)[Arm.FINETUNED]) == text(said[Arm.FINETUNED])


def test_a_base_that_moved_since_loading_fails_the_self_test(tiny_qwen3, tiny_adapter, tmp_path):
    import torch

    from medreason.engine.local import LocalEngine

    moved = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), tiny_adapter)
    moved.load()
    with torch.no_grad():
        moved._base.model.model.layers[0].mlp.up_proj.weight.mul_(1.5)
    with pytest.raises(MedReasonError, match="differs from the untouched base"):
        moved.switch_adapter(tiny_adapter)
    assert moved.state.phase is Phase.FAILED
    with pytest.raises(NotReady):
        answers(moved)


def test_loading_with_an_adapter_that_changes_nothing_is_refused(tiny_qwen3, tmp_path):
    from medreason.engine.local import LocalEngine

    folder = make_adapter(tiny_qwen3, tmp_path / "zero", strength=0.0)
    zero = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), folder)
    with pytest.raises(MedReasonError, match="changes nothing"):
        zero.load()
    assert zero.state.phase is Phase.FAILED and "changes nothing" in zero.state.message


def test_an_adapter_of_another_base_leaves_the_baseline_alone_ready(tiny_qwen3, tiny_adapter, tmp_path):
    from medreason.engine.local import LocalEngine

    (tmp_path / "foreign").mkdir()
    for file in tiny_adapter.iterdir():
        (tmp_path / "foreign" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "foreign" / "manifest.json").write_text('{"base_model": "other", "base_sha256": "00"}')
    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), tmp_path / "foreign")
    made.load()
    assert (made.state.phase, made.state.arms) == (Phase.READY, (Arm.BASELINE,))
    assert "trained on other" in made.state.message
    assert list(answers(made)) == [Arm.BASELINE]


def test_an_unloaded_engine_says_so(tiny_qwen3, tmp_path):
    from medreason.engine.local import LocalEngine

    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), None)
    with pytest.raises(NotReady):
        _ = made.provenance
    made.load()
    assert made.state.arms == (Arm.BASELINE,)
    made.unload()
    assert made.state.phase is Phase.UNLOADED
    with pytest.raises(NotReady):
        answers(made)


def test_an_unknown_base_is_a_sentence_and_a_failed_state(tmp_path):
    from medreason.engine.local import LocalEngine

    made = LocalEngine("no-such-model", "", "none", DataFolder(tmp_path), None)
    with pytest.raises(MedReasonError, match="no-such-model was not found"):
        made.load()
    assert made.state.phase is Phase.FAILED


def test_a_four_bit_base_keeps_baseline_and_tuned_apart(tiny_qwen3, tiny_adapter, tmp_path):
    pytest.importorskip("bitsandbytes")
    from medreason.engine.local import LocalEngine

    made = LocalEngine(str(tiny_qwen3), "", "nf4", DataFolder(tmp_path), tiny_adapter)
    made.load()
    assert made.provenance.precision == "nf4" and "bit for bit" in made.provenance.self_test
    said = answers(made)
    assert text(said[Arm.BASELINE]) != text(said[Arm.FINETUNED])
