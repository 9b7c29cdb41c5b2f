"""Loading and switching in the local engine: what cannot be compared is refused, and what was in use stays."""

from pathlib import Path

import pytest

from medreason.domain.arms import ARMS, Arm
from medreason.engine.protocol import Phase
from medreason.errors import MedReasonError, NotReady
from medreason.folder import DataFolder
from tests.integration.engine_steps import QUIET, answers, text
from tests.tiny import make_adapter

pytestmark = QUIET


@pytest.fixture(scope="module")
def engine(tiny_qwen3: Path, tiny_adapter: Path, tmp_path_factory):
    from medreason.engine.local import LocalEngine

    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path_factory.mktemp("data")), tiny_adapter)
    made.load()
    yield made
    made.unload()


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
        moved._served.base.model.model.layers[0].mlp.up_proj.weight.mul_(1.5)
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
    assert made.provenance.engine == "local"
    said = answers(made)
    assert text(said[Arm.BASELINE]) != text(said[Arm.FINETUNED])


def test_an_own_way_that_computes_something_else_gives_way_to_the_plain_one(
    tiny_qwen3, tiny_adapter, tmp_path, monkeypatch, caplog
):
    """Positions off by one: text comes out all the same, so that nobody would see it."""
    from medreason.engine.local import LocalEngine
    from medreason.engine.own_model import OwnModel

    right = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), tiny_adapter)
    right.load()
    assert right.provenance.engine == "local" and "step by step" in right.provenance.self_test
    expected = {arm: text(one) for arm, one in answers(right).items()}
    at = OwnModel.at
    monkeypatch.setattr(OwnModel, "at", lambda self, cells, *rest: at(self, (cells - 1).clamp(min=0), *rest))
    wrong = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), tiny_adapter)
    wrong.load()
    assert (wrong.state.phase, wrong.provenance.engine) == (Phase.READY, "local, plain")
    assert "step by step" in wrong.provenance.self_test and "decoded the plain way" in caplog.text
    assert {arm: text(one) for arm, one in answers(wrong).items()} == expected
    wrong.switch_adapter(None)
    assert wrong.provenance.engine == "local, plain" and list(answers(wrong)) == [Arm.BASELINE]


def test_no_way_that_computes_the_model_is_a_failed_self_test(tiny_qwen3, tmp_path, monkeypatch):
    from medreason.engine import apart
    from medreason.engine.local import LocalEngine

    monkeypatch.setattr(apart, "MOST", -1.0)
    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), None)
    with pytest.raises(MedReasonError, match="would not be what the model computes"):
        made.load()
    assert made.state.phase is Phase.FAILED


def test_an_adapter_that_the_own_layers_cannot_wear_is_served_the_plain_way(tiny_qwen3, tiny_adapter, tmp_path):
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    from medreason.engine.local import LocalEngine

    head = tmp_path / "head"
    shutil.copytree(tiny_adapter, head)
    weights = load_file(head / "adapter_model.safetensors")
    weights["base_model.model.lm_head.lora_A.weight"] = torch.randn(4, 64) / 8
    weights["base_model.model.lm_head.lora_B.weight"] = torch.randn(49_152, 4) / 8
    save_file(weights, head / "adapter_model.safetensors")
    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), head)
    made.load()
    assert made.provenance.engine == "local, plain" and made.state.arms == ARMS
    plain = answers(made)
    made.switch_adapter(tiny_adapter)
    assert made.provenance.engine == "local"
    assert text(answers(made)[Arm.BASELINE]) == text(plain[Arm.BASELINE])
    made.switch_adapter(head)
    assert made.provenance.engine == "local, plain"
    assert text(answers(made)[Arm.FINETUNED]) == text(plain[Arm.FINETUNED])


def test_what_a_gpu_compiles_is_waited_for_before_the_weights_are_read(
    tiny_qwen3, tiny_adapter, tmp_path, monkeypatch
):
    import transformers

    from medreason.engine.local import LONGEST_COMPILING_S, LocalEngine

    done = []

    class Compiles:
        def wait(self, most_s=None):
            done.append(most_s)

    load = transformers.AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        transformers.AutoModelForCausalLM,
        "from_pretrained",
        lambda *given, **more: done.append("weights") or load(*given, **more),
    )
    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), tiny_adapter)
    monkeypatch.setattr(made, "_compile_ahead", Compiles)
    made.load()
    assert done == [LONGEST_COMPILING_S, "weights"] and made.state.phase is Phase.READY
    made.unload()
