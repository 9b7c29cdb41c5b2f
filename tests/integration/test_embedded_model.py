"""The embedded model as everything uses it: one fixed set of weights, one template, speech, no thinking."""

import subprocess
import sys
from pathlib import Path

import pytest

from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Draft
from medreason.domain.sampling import Sampling
from medreason.folder import DataFolder
from medreason.models import embedded
from medreason.models.hashes import weights_sha256
from tests.conftest import CHECKOUT
from tests.tiny import make_adapter

SHA256 = "6f9b32e67e7f2a9605f5a86dbaac7b56ec37116433c715f4273e9d894784e5b8"


@pytest.fixture(scope="module")
def data(embedded_model: Path, tmp_path_factory) -> DataFolder:
    """A data folder in which the embedded model is unpacked already."""
    made = DataFolder(tmp_path_factory.mktemp("data"))
    made.prepare()
    made.embedded_model.symlink_to(embedded_model)
    return made


@pytest.fixture(scope="module")
def tokenizer(embedded_model: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(embedded_model)


def test_the_weights_are_the_same_on_every_machine(embedded_model):
    """Adapters name this hash; if it changes, none of those made before fits any more."""
    assert weights_sha256(embedded_model) == SHA256


def test_a_second_preparation_is_instant_and_loads_no_torch(embedded_model):
    code = (
        "import sys, time; from pathlib import Path; from medreason.models.embedded import prepare; "
        "began = time.monotonic(); prepare(Path(sys.argv[1])); "
        "print(time.monotonic() - began < 0.05, 'torch' in sys.modules)"
    )
    run = [sys.executable, "-c", code, str(embedded_model)]
    ran = subprocess.run(run, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False"]


def test_an_interrupted_conversion_is_made_anew_and_whole(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    left = embedded._building(folder)
    left.mkdir()

    def convert(gguf: Path, building: Path, say) -> None:
        (building / "model.safetensors").write_bytes(b"whole")
        (building / embedded.MARKER).write_text('{"files": {"model.safetensors": 5}}')

    monkeypatch.setattr(embedded, "_convert", convert)
    assert embedded.prepare(folder) == folder and embedded.is_prepared(folder)
    assert (folder / "model.safetensors").read_bytes() == b"whole" and not left.exists()


def test_a_failed_conversion_leaves_nothing_behind(tmp_path, monkeypatch):
    def convert(gguf: Path, building: Path, say) -> None:
        (building / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embedded, "_convert", convert)
    with pytest.raises(embedded.MedReasonError, match="No space left on device"):
        embedded.prepare(tmp_path / "model")
    assert [file.name for file in tmp_path.iterdir()] == [".model.lock"]


def test_what_is_trained_is_what_is_asked_token_for_token(tokenizer):
    from medreason.text import template

    example = template.training_example(tokenizer, "Why fever?", "Cytokines raise the set point.", "Infection.")
    asked = template.prompt_ids(tokenizer, [{"role": "user", "content": "Why fever?"}], thinking=True)

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    assert ids(example.prompt) == asked
    assert ids(example.prompt + example.completion) == asked + ids(example.completion)
    assert ids(example.completion)[-1] == tokenizer.eos_token_id
    messages = [{"role": "user", "content": "Why fever?"}]
    assert asked == tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)


def test_the_embedded_pair_streams_and_the_baseline_does_not_think(data, embedded_model, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    from medreason.engine.local import LocalEngine

    adapter = make_adapter(embedded_model, tmp_path / "adapter", strength=0.1)
    engine = LocalEngine("auto", "", "auto", data, adapter)
    engine.load()
    assert (engine.provenance.base_model, engine.provenance.base_sha256) == ("embedded", SHA256)
    drafts = {arm: Draft(arm) for arm in Arm}
    growing: dict[Arm, int] = {arm: 0 for arm in Arm}
    sampling = Sampling(temperature=0, max_new_tokens=12)
    question = Conversation("What causes chest pain?")
    for event in engine.ask_pair(question, sampling, lambda: False):
        before = len(drafts[event.arm].answer().text)
        drafts[event.arm].take(event)
        growing[event.arm] += len(drafts[event.arm].answer().text) > before
    baseline = drafts[Arm.BASELINE].answer()
    assert not baseline.thought and all(grew > 5 for grew in growing.values())
    assert baseline.text != drafts[Arm.FINETUNED].answer().text

    precision = torch.float32 if engine.provenance.precision == "float32" else torch.bfloat16
    plain = AutoModelForCausalLM.from_pretrained(embedded_model, dtype=precision)
    tokenizer = engine._served.base.tokenizer
    ids = tokenizer.apply_chat_template(
        question.messages(Arm.BASELINE), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    out = plain.generate(**ids, max_new_tokens=12, do_sample=False)
    said = tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    assert baseline.text == said.strip()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_both_rows_with_the_demo_adapter_are_what_transformers_and_peft_compute(embedded_model, tokenizer):
    import torch

    from medreason import demo
    from medreason.engine.levers import Levers
    from medreason.engine.own_decoder import OwnDecoder
    from medreason.models.adapters import read_adapter
    from tests.integration.decoder_steps import load, peft_logits

    text = tokenizer("The electrocardiogram shows ST elevation in II, III and aVF, which means that the inferior")
    text = text["input_ids"]
    expected = [load(embedded_model)(torch.tensor([text])).logits[0].detach()]
    expected.append(peft_logits(embedded_model, demo.ADAPTER, text))
    decoder = OwnDecoder(load(embedded_model), Levers())
    decoder.wear(read_adapter(demo.ADAPTER))
    for found, row in zip(decoder.forced([text, text], [False, True]), expected, strict=True):
        row = row[-found.shape[0] :]
        assert float((found - row).abs().max()) < 1e-4 * float(row.max() - row.min())
        assert torch.equal(found.argmax(-1), row.argmax(-1))
