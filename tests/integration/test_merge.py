"""merge_adapter.py: merged weights say what base and adapter say together, or there are none."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medreason import demo
from medreason.folder import DataFolder
from medreason.models import merging
from medreason.models.adapters import read_adapter
from medreason.models.base import load_base, resolve_base
from medreason.models.closeness import closeness, logits_of
from medreason.models.hashes import weights_sha256
from medreason.models.new_folder import read_record
from tests.conftest import CHECKOUT
from tests.tiny import in_32_bits, make_adapter

SCRIPTS = CHECKOUT / "training_scripts"


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=180)


def merge(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run("merge_adapter", *arguments)


@pytest.fixture(scope="module")
def merged(tiny_qwen3: Path, tiny_adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("models") / "merged"
    ran = merge("--model", tiny_qwen3, "--adapter", tiny_adapter, "--out", out)
    assert ran.returncode == 0, ran.stderr
    return out, ran.stdout


def test_merged_weights_say_what_the_unmerged_say(
    merged: tuple[Path, str], tiny_qwen3: Path, tiny_adapter: Path, folder: DataFolder
) -> None:
    from medreason.engine.masked_lora import WornAdapter

    whole = load_base(resolve_base(str(merged[0]), "", folder, "none"))
    base = load_base(resolve_base(str(tiny_qwen3), "", folder, "none"))
    alone = logits_of(base.model, base.tokenizer)
    worn = WornAdapter(base.model, read_adapter(tiny_adapter))
    worn.rows([True])
    together = logits_of(base.model, base.tokenizer)
    found = closeness(together, logits_of(whole.model, whole.tokenizer))
    assert found.divergence < 0.001 and found.agreement > 0.97
    assert closeness(together, alone).divergence > 100 * found.divergence


def test_the_measure_is_printed_beside_what_the_adapter_changes(merged: tuple[Path, str]) -> None:
    lines = merged[1].splitlines()
    assert "4 layers" in lines[0]
    assert lines[1].startswith("Merged against unmerged: largest logit difference")
    assert lines[2].startswith("What the adapter changes: largest logit difference")


def test_the_folder_is_a_whole_model_with_its_tokenizer(
    merged: tuple[Path, str], tiny_qwen3: Path, tiny_adapter: Path
) -> None:
    out = merged[0]
    assert {path.name for path in tiny_qwen3.iterdir()} | {"merged.json"} == {path.name for path in out.iterdir()}
    for name in ("config.json", "tokenizer.json", "chat_template.jinja"):
        assert (out / name).read_bytes() == (tiny_qwen3 / name).read_bytes()
    assert (out / "model.safetensors").stat().st_size == (tiny_qwen3 / "model.safetensors").stat().st_size
    record = read_record(out, "merged.json")
    assert (record["base_model"], record["adapter"]) == ("tiny-qwen3", "tiny-adapter")
    assert record["base_sha256"] == weights_sha256(tiny_qwen3) != weights_sha256(out)
    assert not [path for path in out.parent.iterdir() if path.name.startswith(".")]


def test_layers_without_an_adapter_stay_bit_for_bit(merged: tuple[Path, str], tiny_qwen3: Path) -> None:
    from safetensors.torch import load_file

    before, after = (load_file(place / "model.safetensors") for place in (tiny_qwen3, merged[0]))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj"}
    assert all(before[name].dtype == after[name].dtype for name in before)


# peft 0.21 still reads an attribute that transformers 5.2x has renamed
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_the_embedded_model_merges_with_its_demo_adapter(embedded_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    source = resolve_base("embedded", "", DataFolder(embedded_model.parent.parent), "none")
    with in_32_bits():
        made = merging.merge(source, read_adapter(demo.ADAPTER), out, lambda share, words: None)
    assert made.layers == 60
    assert "complete.json" not in {path.name for path in out.iterdir()}
    assert made.to_unmerged.agreement > 0.97 > made.to_base.agreement


def test_a_base_spread_over_files_stays_spread(tiny_qwen3: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    base = tmp_path / "base"
    shutil.copytree(tiny_qwen3, base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    (base / "model.safetensors").unlink()
    model.save_pretrained(base, max_shard_size="4MB")
    ran = merge("--model", base, "--adapter", tiny_adapter, "--out", tmp_path / "merged")
    assert ran.returncode == 0, ran.stderr
    shards = sorted(path.name for path in base.glob("*.safetensors"))
    assert len(shards) > 1 and shards == sorted(path.name for path in (tmp_path / "merged").glob("*.safetensors"))


def test_a_base_in_4_bits_is_refused_and_its_adapter_merges_into_what_it_was_made_from(
    tiny_qwen3: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    assert run("quantize", "--model", tiny_qwen3, "--out", small).returncode == 0
    adapter = make_adapter(tiny_qwen3, tmp_path / "adapter", strength=0.3)
    manifest = {"base_model": "small", "base_sha256": weights_sha256(small), "precision": "nf4"}
    (adapter / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    ran = merge("--model", small, "--adapter", adapter, "--out", tmp_path / "merged")
    assert (
        ran.returncode == 2 and "stored in few bits" in ran.stderr and "Give tiny-qwen3 as --model" in ran.stderr
    )
    ran = merge("--model", tiny_qwen3, "--adapter", adapter, "--out", tmp_path / "merged")
    assert ran.returncode == 2 and "trained on small with other weights" in ran.stderr
    ran = merge(
        "--model", tiny_qwen3, "--adapter", adapter, "--trained-on", tiny_qwen3, "--out", tmp_path / "merged"
    )  # fmt: skip
    assert ran.returncode == 2 and "was not made by quantize.py" in ran.stderr
    assert not (tmp_path / "merged").exists()
    ran = merge("--model", tiny_qwen3, "--adapter", adapter, "--trained-on", small, "--out", tmp_path / "merged")
    assert ran.returncode == 0, ran.stderr
    assert "trained on a base in 4 bits" in ran.stdout and (tmp_path / "merged" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "no such", "--adapter", "{adapter}", "--out", "{tmp}/x"], "no such was not found"),
        (["--model", "{tiny}", "--adapter", "{tmp}/absent", "--out", "{tmp}/x"], "There is no adapter at"),
        (["--model", "{tiny}", "--adapter", "{tmp}", "--out", "{tmp}/x"], "is no adapter"),
        (["--model", "{tiny}", "--adapter", "{adapter}", "--out", "{tmp}"], "exists already"),
        (["--model", "{tiny}", "--adapter", "{adapter}", "--out", "{tmp}/no/x"], "does not exist"),
        (["--model", "{tiny}", "--adapter", "{demo}", "--out", "{tmp}/x"], "with other weights"),
        (
            ["--model", "{tiny}", "--adapter", "{adapter}", "--trained-on", "{tmp}/q", "--out", "{tmp}/x"],
            "no folder",
        ),
        (["--model", "{tiny}", "--out", "{tmp}/x"], "--adapter"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_on_disk(
    tiny_qwen3: Path, tiny_adapter: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    places = {"tmp": tmp_path, "tiny": tiny_qwen3, "adapter": tiny_adapter, "demo": demo.ADAPTER}
    ran = merge(*(one.format(**places) for one in arguments))
    assert ran.returncode == 2 and sentence in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tiny_qwen3: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    words = ["--model", str(tiny_qwen3), "--adapter", str(tiny_adapter), "--out", str(tmp_path / "merged")]
    ran = subprocess.run(
        [sys.executable, str(SCRIPTS / "merge_adapter.py"), *words],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000)),
    )
    assert ran.returncode == 2 and "cannot be written" in ran.stderr and "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_killed_merge_leaves_no_half_model_and_the_next_one_is_whole(
    tiny_qwen3: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    out = tmp_path / "merged"
    words = ["--model", str(tiny_qwen3), "--adapter", str(tiny_adapter), "--out", str(out)]
    child = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "merge_adapter.py"), *words],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while not (tmp_path / ".merged.building" / "model.safetensors").exists():
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(timeout=60)
    assert not out.exists()
    ran = merge(*words)
    assert ran.returncode == 0, ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]
