"""train_qlora.py as a user runs it: on a tiny Qwen3, on the embedded model, on real rows, and on bad input."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from medreason.finetune import process
from medreason.finetune.manifest import read_manifest
from medreason.finetune.progress import METRICS_FILE, read_losses, read_state
from medreason.folder import DataFolder
from medreason.models.adapters import read_adapter
from medreason.models.hashes import weights_sha256
from tests.conftest import CHECKOUT

SCRIPT = CHECKOUT / "training_scripts" / "train_qlora.py"
CONFIG = CHECKOUT / "training_scripts" / "configs" / "demo_form.yaml"
REAL_ROWS = CHECKOUT.parent / "shared" / "data" / "medical_o1_198.jsonl"
SHORT = ("max_rows=8", "epochs=4", "max_steps=4", "batch_size=2", "eval_fraction=0.25", "warmup_share=0")


def command(output: Path, *settings: str, data_dir: Path | None = None) -> list[str]:
    words = [sys.executable, str(SCRIPT), "--config", str(CONFIG), "--output-dir", str(output)]
    words += ["--data-dir", str(data_dir or output.parent / "data")]
    return [*words, "--set", *settings] if settings else words


def train(output: Path, *settings: str, data_dir: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    return subprocess.run(
        command(output, *settings, data_dir=data_dir), capture_output=True, text=True, env=environment, timeout=900
    )


def resume(output: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), "--resume", "--output-dir", str(output)]
    words += ["--data-dir", str(output.parent / "data"), *(["--set", *settings] if settings else [])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=900)


def files_sha256(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def tiny_run(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A finished run on the tiny Qwen3, and the hashes of the base's files from before."""
    output = tmp_path_factory.mktemp("runs") / "tiny"
    before = files_sha256(tiny_qwen3)
    ran = train(output, *SHORT, "max_steps=8", f"base_model={tiny_qwen3}", "learning_rate=0.01")
    assert ran.returncode == 0, ran.stderr
    return output, before


def test_training_changes_the_adapter_and_not_the_base(tiny_run: tuple[Path, dict], tiny_qwen3: Path) -> None:
    output, before = tiny_run
    assert files_sha256(tiny_qwen3) == before
    info = read_adapter(output / "adapter")
    assert info.base_sha256 == weights_sha256(tiny_qwen3)
    weights = load_adapter(output / "adapter")
    learned = {name: value for name, value in weights.items() if "lora_B" in name}
    assert learned and all(np.isfinite(value).all() and np.abs(value).max() > 0 for value in learned.values())
    assert {name.split(".")[-3] for name in weights} == {"q_proj", "v_proj"}


def load_adapter(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.torch import load_file as load_torch

    return {
        name: value.float().numpy() for name, value in load_torch(folder / "adapter_model.safetensors").items()
    }


def test_the_run_lowers_the_loss_and_says_so_on_disk(tiny_run: tuple[Path, dict]) -> None:
    output, _ = tiny_run
    points = read_losses(output)
    learned = [point for point in points if not point.held_out]
    assert [point.step for point in learned] == list(range(1, 9))
    assert all(point.epoch and point.learning_rate and point.grad_norm and point.tokens_per_s for point in learned)
    state, manifest = read_state(output), read_manifest(output / "adapter")
    assert state is not None and manifest is not None
    assert (state.state, state.step, state.total_steps) == ("completed", 8, 8)
    losses = manifest["losses"]
    assert losses["held_out_after"] < losses["held_out_before"]
    assert (losses["first"], losses["last"]) == (learned[0].loss, learned[-1].loss)
    assert manifest["data"]["train_rows"] == 6 and manifest["data"]["held_out_rows"] == 2
    assert manifest["data"]["counts"]["train"] == 6 and manifest["questions"]["rows"] == 6
    assert manifest["tokens_seen"] > 1000 and manifest["duration_s"] >= manifest["training_s"] > 0
    assert manifest["tokens_per_s"] == pytest.approx(manifest["tokens_seen"] / manifest["training_s"], rel=0.1)
    assert manifest["hardware"]["cores"] and manifest["peak_memory_gib"]["process"] > 0.1
    told = (manifest["stopped_at"], manifest["resumed_from"], manifest["total_steps"], manifest["adapter_step"])
    assert told == (None, None, 8, 8)


def test_the_adapter_is_whole_in_16_bits_and_names_no_place(tiny_run: tuple[Path, dict], tiny_qwen3: Path) -> None:
    output, _ = tiny_run
    adapter = output / "adapter"
    assert {file.name for file in adapter.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "manifest.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {layer.a.dtype for layer in read_adapter(adapter).layers.values()} == {"BF16"}
    for name in ("README.md", "adapter_config.json", "manifest.json", "tokenizer_config.json"):
        assert str(tiny_qwen3.parent) not in (adapter / name).read_text(encoding="utf-8")
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "tiny-qwen3"
    assert not [path for path in output.iterdir() if path.name.startswith(".")]


def test_the_same_seed_gives_the_same_adapter(
    tiny_run: tuple[Path, dict], tiny_qwen3: Path, tmp_path: Path
) -> None:
    ran = train(tmp_path / "again", *SHORT, "max_steps=8", f"base_model={tiny_qwen3}", "learning_rate=0.01")
    assert ran.returncode == 0, ran.stderr
    first, again = load_adapter(tiny_run[0] / "adapter"), load_adapter(tmp_path / "again" / "adapter")
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_the_tokenizer_beside_the_adapter_is_the_base_s(tiny_run: tuple[Path, dict], tiny_qwen3: Path) -> None:
    from transformers import AutoTokenizer

    own, base = (AutoTokenizer.from_pretrained(place) for place in (tiny_run[0] / "adapter", tiny_qwen3))
    text = "A 61-year-old with chest pain."
    assert own(text)["input_ids"] == base(text)["input_ids"] and own.chat_template == base.chat_template


def test_a_finished_run_is_not_written_over_and_not_resumed(tiny_run: tuple[Path, dict], tiny_qwen3: Path) -> None:
    output, _ = tiny_run
    before = files_sha256(output)
    ran = train(output, *SHORT, f"base_model={tiny_qwen3}")
    assert ran.returncode == 2 and "already holds a run" in ran.stderr
    ran = resume(output)
    assert ran.returncode == 2 and "has made all its steps" in ran.stderr
    assert files_sha256(output) == before


def test_a_loss_that_is_no_number_ends_the_run_in_words(tiny_qwen3: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base = tmp_path / "base"
    shutil.copytree(tiny_qwen3, base)
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "run").mkdir()
    ran = train(tmp_path / "run", *SHORT, "max_steps=30", f"base_model={base}")
    state = read_state(tmp_path / "run")
    assert state is not None and ran.returncode == 1
    assert state.state == "failed" and "Lower the learning rate" in state.message
    assert max(point["step"] for point in metrics(tmp_path / "run")) <= 10
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "run" / "adapter").exists()


def metrics(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / METRICS_FILE).read_text(encoding="utf-8").splitlines()]


def at_step(output: Path, child: subprocess.Popen, step: int) -> None:
    until = time.monotonic() + 300
    while (state := read_state(output)) is None or state.step < step:
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.02)


def started(output: Path, *settings: str) -> subprocess.Popen:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    return subprocess.Popen(
        command(output, *settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_stopping_ends_at_once_and_leaves_no_adapter(tiny_qwen3: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    child = started(output, "max_rows=0", "epochs=50", "batch_size=1", f"base_model={tiny_qwen3}")
    at_step(output, child, 2)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=120)
    state = read_state(output)
    assert state is not None
    assert child.returncode == 143 and state.state == "stopped"
    assert state.step < state.total_steps and f"step {state.step}" in said and "No adapter was kept" in said
    assert not (output / "adapter").exists()


def test_stopped_with_its_adapter_and_resumed_it_ends_as_if_never_stopped(
    tiny_run: tuple[Path, dict], tiny_qwen3: Path, tmp_path: Path
) -> None:
    """Stop with saving, then the process killed after it went on, then resumed to the end."""
    output = tmp_path / "run"
    child = started(
        output, *SHORT, "max_steps=8", "save_every=1", f"base_model={tiny_qwen3}", "learning_rate=0.01"
    )
    at_step(output, child, 1)
    process.ask_to_stop(output, save=True)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=120)
    manifest, state = read_manifest(output / "adapter"), read_state(output)
    assert state is not None and manifest is not None, said
    stopped_at = manifest["stopped_at"]
    assert (child.returncode, state.state) == (143, "stopped") and "the run can go on from there" in state.message
    assert 1 <= stopped_at < 8 and (manifest["steps"], manifest["total_steps"]) == (stopped_at, 8)
    assert f"Stopped on request at step {stopped_at} of 8" in (output / "adapter" / "README.md").read_text("utf-8")
    assert read_adapter(output / "adapter").layers

    refused = resume(output, "lora_rank=8")
    assert refused.returncode == 2 and "“LoRA rank” was 16 and is 8" in refused.stderr
    ran = resume(output)
    assert ran.returncode == 0, ran.stderr
    assert f"Going on from the checkpoint of step {stopped_at}" in ran.stdout
    manifest, state = read_manifest(output / "adapter"), read_state(output)
    assert manifest is not None and state is not None
    assert (manifest["resumed_from"], manifest["stopped_at"], manifest["steps"]) == (stopped_at, None, 8)
    assert manifest["duration_s"] > manifest["training_s"] > 0
    assert (state.state, state.resumed_from) == ("completed", stopped_at)
    assert [point.step for point in read_losses(output) if not point.held_out] == list(range(1, 9))
    whole, resumed = load_adapter(tiny_run[0] / "adapter"), load_adapter(output / "adapter")
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)
    assert not (output / "stop.json").exists()


def test_there_is_nothing_to_resume_where_no_run_is(tmp_path: Path) -> None:
    ran = resume(tmp_path / "run")
    assert ran.returncode == 2 and "There is no run in" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_model_trains_and_stays_as_it_was(embedded_model: Path, tmp_path: Path) -> None:
    data_dir = DataFolder(embedded_model.parent.parent).root
    before = weights_sha256(embedded_model)
    ran = train(tmp_path / "run", *SHORT, "max_steps=2", data_dir=data_dir)
    assert ran.returncode == 0, ran.stderr
    assert weights_sha256(embedded_model) == before
    manifest = read_manifest(tmp_path / "run" / "adapter")
    assert manifest is not None
    assert manifest["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct" and manifest["base_sha256"] == before
    weights = load_adapter(tmp_path / "run" / "adapter")
    assert any(np.abs(value).max() > 0 for name, value in weights.items() if "lora_B" in name)


@pytest.mark.skipif(not REAL_ROWS.is_file(), reason="the folder with the real rows is not beside the checkout")
def test_real_rows_train_through_the_same_script(embedded_model: Path, tmp_path: Path) -> None:
    data_dir = DataFolder(embedded_model.parent.parent).root
    ran = train(tmp_path / "run", *SHORT, "max_steps=2", "max_length=384", f"data={REAL_ROWS}", data_dir=data_dir)
    assert ran.returncode == 0, ran.stderr
    manifest = read_manifest(tmp_path / "run" / "adapter")
    assert manifest is not None
    assert manifest["data"]["rows_in_file"] == 198 and manifest["data"]["name"] == REAL_ROWS.name
    assert all(np.isfinite(value) for value in manifest["losses"].values())


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("base_model=no such model",), "base model no such model was not found"),
        (("run_name=../x", "learning_rate=-1"), "Learning rate is -1.*Run name is '../x'"),
        (("data={folder}/absent.jsonl",), "no training data .*absent.jsonl"),
        (("data={folder}/short.jsonl",), "column Response is in no row"),
        (("no_such_setting=1",), "no_such_setting"),
        (("base_model={folder}",), "no model folder"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_on_disk(
    tmp_path: Path, settings: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "short.jsonl").write_text('{"Question": "a", "Complex_CoT": "b"}\n', encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    ran = train(tmp_path / "run", *(one.format(folder=tmp_path) for one in settings))
    assert ran.returncode == 2
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert re.search(sentence, ran.stderr), ran.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_layers_that_the_base_has_not_are_refused_and_nothing_stays(tiny_qwen3: Path, tmp_path: Path) -> None:
    ran = train(tmp_path / "run", *SHORT, f"base_model={tiny_qwen3}", "target_modules=c_attn")
    assert ran.returncode == 2 and "Adapted layers" in ran.stderr and "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    ran = train(tmp_path / "run")
    tmp_path.chmod(0o700)
    assert ran.returncode == 2 and "cannot be written" in ran.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"}, "on the GPUs of one machine"),
        ({"WORLD_SIZE": "3"}, "The settings ask for 2 GPUs, and the launcher started 3 processes"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE of the environment is no number"),
    ],
)
def test_a_launcher_that_does_not_suit_the_run_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ran = train(tmp_path / "run", "gpus=2")
    assert ran.returncode == 2 and ran.stderr.count("\n") == 1
    assert words in ran.stderr and not (tmp_path / "run").exists()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine", encoding="utf-8")
    ran = train(tmp_path / "run")
    assert ran.returncode == 2 and "is not a folder" in ran.stderr
    assert (tmp_path / "run").read_text(encoding="utf-8") == "mine"
