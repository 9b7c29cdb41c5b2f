"""quantize.py: a base in 4 bits as a folder that is whole, loads again and says nearly the same."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medreason.folder import DataFolder
from medreason.models.base import load_base, resolve_base
from medreason.models.hashes import weights_sha256
from medreason.models.new_folder import read_record
from tests.conftest import CHECKOUT


def quantize(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "training_scripts/quantize.py", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=180)


@pytest.fixture(scope="module")
def quantized(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The tiny model in 4 bits, and what was printed."""
    out = tmp_path_factory.mktemp("models") / "tiny-nf4"
    ran = quantize("--model", tiny_qwen3, "--out", out)
    assert ran.returncode == 0, ran.stderr
    return out, ran.stdout


def test_the_folder_is_whole_and_says_what_it_was_made_from(quantized: tuple[Path, str], tiny_qwen3: Path) -> None:
    out, _ = quantized
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "quantized.json"} <= names
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))["quantization_config"]
    assert (config["bnb_4bit_quant_type"], config["bnb_4bit_use_double_quant"]) == ("nf4", True)
    assert (config["load_in_4bit"], config["bnb_4bit_compute_dtype"]) == (True, "bfloat16")
    record = read_record(out, "quantized.json")
    assert (record["made_from"], record["base_sha256"]) == ("tiny-qwen3", weights_sha256(tiny_qwen3))
    assert 0 < record["memory_bytes"]["after"] < record["memory_bytes"]["before"]
    assert not [path for path in out.parent.iterdir() if path.name.startswith(".")]
    for path in (out / "config.json", out / "quantized.json", out / "tokenizer_config.json"):
        assert str(tiny_qwen3.parent) not in path.read_text(encoding="utf-8")


def test_it_is_smaller_and_says_by_how_much(quantized: tuple[Path, str]) -> None:
    _, told = quantized
    layers = next(line for line in told.splitlines() if line.startswith("linear layers"))
    assert 70 < float(layers.split()[-2]) < 76  # 0.516 of 2 bytes a weight
    assert "model.safetensors" in told and "bytes" in told


def test_the_measure_of_closeness_is_stated(quantized: tuple[Path, str]) -> None:
    _, told = quantized
    again = next(line for line in told.splitlines() if line.startswith("Loaded again"))
    assert "largest logit difference 0 " in again and "100.0 %" in again
    against = next(line for line in told.splitlines() if line.startswith("Against 16 bits"))
    assert "same likeliest token at" in against and "mean KL divergence" in against


def test_it_loads_like_any_other_base(quantized: tuple[Path, str], folder: DataFolder) -> None:
    base = load_base(resolve_base(str(quantized[0]), "", folder, "none"))
    assert base.precision == "nf4" and base.model.is_loaded_in_4bit


def test_what_is_in_4_bits_already_is_refused(quantized: tuple[Path, str], tmp_path: Path) -> None:
    ran = quantize("--model", quantized[0], "--out", tmp_path / "twice")
    assert ran.returncode == 2 and "stored quantized already" in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "no such model", "--out", "{tmp}/x"], "no such model was not found"),
        (["--model", "{tiny}", "--out", "{tmp}"], "exists already"),
        (["--model", "{tiny}", "--out", "{tmp}/no/x"], "does not exist. Make it first"),
        (["--model", "{tmp}", "--out", "{tmp}/x"], "no model folder"),
        (["--model", "{tiny}"], "--out"),
        (["--out", "{tmp}/x"], "--model"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_on_disk(
    tiny_qwen3: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    ran = quantize(*(one.format(tmp=tmp_path, tiny=tiny_qwen3) for one in arguments))
    assert ran.returncode == 2 and sentence in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_damaged_weights_are_one_sentence_and_nothing_on_disk(tiny_qwen3: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_qwen3, base)
    (base / "model.safetensors").write_bytes((base / "model.safetensors").read_bytes()[:-1])
    ran = quantize("--model", base, "--out", tmp_path / "out")
    assert ran.returncode == 2 and "damaged" in ran.stderr and "Traceback" not in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_ended_half_way_leaves_no_half_model(
    tiny_qwen3: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "training_scripts/quantize.py", "--model", str(tiny_qwen3), "--out", str(out)]
    child = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not (tmp_path / ".out.building" / "model.safetensors").exists():
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    child.send_signal(number)
    child.wait(timeout=60)
    assert child.returncode in (-9, 143)
    assert not out.exists()
    if number is signal.SIGTERM:
        assert list(tmp_path.iterdir()) == []
