"""baseline.py, benchmark.py memory and benchmark.py train as commands, on a tiny model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medreason.demo import CURRICULUM
from medreason.finetune.ranks import ON_CPU
from tests.conftest import CHECKOUT


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"training_scripts/{script}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=180)


def ask(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run("baseline", *arguments, "--data-dir", tmp_path / "data")


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    file = tmp_path / "prompt.txt"
    file.write_text("\ufeffFever and a stiff neck. Why?\n", encoding="utf-8")
    return file


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Eight rows to train on."""
    file = tmp_path / "rows.jsonl"
    lines = CURRICULUM.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:8]), encoding="utf-8")
    return file


def test_the_environment_and_one_answer_are_printed_and_written(
    tiny_qwen3: Path, tmp_path: Path, prompt: Path
) -> None:
    out = tmp_path / "answer.json"
    ran = ask(
        tmp_path, "--model", tiny_qwen3, "--prompt", prompt, "--max-new-tokens", 12, "--seed", 5, "--out", out
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    for name in (
        "system",
        "GPU",
        "cores",
        "memory",
        "disk free",
        "torch",
        "transformers",
        "bitsandbytes",
        "model",
    ):
        assert any(line.startswith(name) for line in ran.stdout.splitlines()), name
    assert "Question\nFever and a stiff neck. Why?" in ran.stdout and "tokens/s" in ran.stdout
    told = json.loads(out.read_text(encoding="utf-8"))
    assert told["finish"] == "length" and told["provenance"]["adapter_active"] is False
    sampling = {"temperature": 0.6, "top_p": 0.95, "seed": 5, "max_new_tokens": 12, "thinking": True}
    assert told["provenance"]["sampling"].items() >= sampling.items()
    again = ask(tmp_path, "--model", tiny_qwen3, "--prompt", prompt, "--max-new-tokens", 12, "--seed", 5)
    assert told["answer"].split()[0] in again.stdout
    assert told["answer"] in again.stdout or told["thinking"] in again.stdout


def test_the_question_that_comes_along_asks_for_numbered_steps_and_one_line(
    tiny_qwen3: Path, tmp_path: Path
) -> None:
    ran = ask(tmp_path, "--model", tiny_qwen3, "--max-new-tokens", 2, "--greedy")
    assert ran.returncode == 0, ran.stderr
    assert "II, III and aVF" in ran.stdout and "Number each step" in ran.stdout and "one line" in ran.stdout
    assert "cut off at --max-new-tokens" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "no such"], "no such was not found"),
        (["--model", "embedded", "--prompt", "{tmp}/absent.txt"], "absent.txt cannot be read"),
        (["--model", "embedded", "--prompt", "{tmp}/empty.txt"], "must hold 1 to"),
        (["--model", "embedded", "--prompt", "{tmp}/latin.txt"], "not UTF-8"),
        (["--model", "embedded", "--max-new-tokens", "0"], "Longest answer in tokens is 0"),
        (["--model", "embedded", "--temperature", "9"], "Temperature is 9"),
        (["--model", "embedded", "--out", "{tmp}/empty.txt"], "exists already"),
        (["--model", "embedded", "--out", "{tmp}/no/x"], "does not exist"),
        (["--model", "embedded", "--quantization", "int3"], "quantization"),
        ([], "--model"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_on_disk(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Ödem".encode("latin-1"))
    ran = ask(tmp_path, *(one.format(tmp=tmp_path) for one in arguments))
    assert ran.returncode == 2 and sentence in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.txt", "latin.txt"]


def test_a_request_that_is_too_long_for_the_model_fails_in_words(tiny_qwen3: Path, tmp_path: Path) -> None:
    ran = ask(tmp_path, "--model", tiny_qwen3, "--max-new-tokens", 6000)
    assert (
        ran.returncode == 1 and "exceed the model's 1,024 tokens" in ran.stderr and "Traceback" not in ran.stderr
    )


def test_a_short_run_is_measured_beside_its_plan(tiny_qwen3: Path, tmp_path: Path, rows: Path) -> None:
    out = tmp_path / "memory.json"
    ran = run(
        "benchmark", "memory", "--presets", "CPU demo", "--base", tiny_qwen3, "--rows", rows, "--steps", 2,
        "--set", "eval_fraction=0", "--json", out,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = {row["id"]: row for row in json.loads(out.read_text(encoding="utf-8"))["rows"]}
    assert set(found) <= {"memory_cpu_demo", "reserved_cpu_demo", "step_cpu_demo"}
    memory = found["memory_cpu_demo"]
    assert set(memory) == {"id", "what", "value", "unit", "against", "ratio"} and memory["unit"] == "GiB"
    assert 0.5 < memory["ratio"] < 2


def test_presets_are_timed_against_the_first_of_them_and_two_processes_against_one(
    tiny_qwen3: Path, tmp_path: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, usual = tmp_path / "train.json", ("--base", tiny_qwen3, "--rows", rows, "--set", "eval_fraction=0")
    timed = ("benchmark", "train", *usual, "--presets", "CPU demo", "--steps", 5, "--gpus", 1, 2, "--json", out)
    refused = run(*timed)
    assert refused.returncode == 2 and "asks for 2 GPUs, and this computer has none" in refused.stderr
    monkeypatch.setenv(ON_CPU, "1")
    ran = run(*timed)
    assert ran.returncode == 0, ran.stderr
    found = {row["id"]: row for row in json.loads(out.read_text(encoding="utf-8"))["rows"]}
    assert {"train_cpu_demo", "first_cpu_demo", "epoch_cpu_demo"} <= set(found)
    speed, epoch = found["train_cpu_demo"], found["epoch_cpu_demo"]
    assert speed["ratio"] == 1 and speed["value"] > 0 and speed["unit"] == "tokens/s"
    two = found["cpu_demo_2_gpus_vs_1"]
    assert two["against"] == speed["value"] and two["ratio"] > 0 and "first_cpu_demo_2_gpus" in found
    assert epoch["value"] > 0 and "19,704 rows" in epoch["what"]
    few = run("benchmark", "train", *usual, "--steps", 4, "--json", out)
    assert few.returncode == 2 and "give 5 or more" in few.stderr


def test_presets_are_timed_against_the_article_s_recipe_with_the_libraries_alone(
    tiny_qwen3: Path, tmp_path: Path, rows: Path
) -> None:
    out, usual = tmp_path / "train.json", ("--base", tiny_qwen3, "--rows", rows, "--set", "eval_fraction=0")
    small = (
        "quantization=none",
        "optimizer=adamw_torch",
        "accumulation=1",
        "max_length=128",
        "min_thinking_chars=0",
    )
    ran = run(
        "benchmark", "train", *usual, *small, "--presets", "CPU demo", "--steps", 5, "--libraries", "--json", out
    )
    assert ran.returncode == 0, ran.stderr
    found = {row["id"]: row for row in json.loads(out.read_text(encoding="utf-8"))["rows"]}
    alone, against = found["train_libraries"], found["cpu_demo_vs_libraries"]
    assert alone["value"] > 0 and alone["unit"] == "tokens/s" and "peak_libraries" not in found
    assert against["value"] == found["train_cpu_demo"]["value"] and against["against"] == alone["value"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--presets", "Nope"], "There is no preset Nope"),
        (["--presets", "CPU demo:nothing=1"], "nothing"),
        (["--base", "{tmp}/absent"], "or --make-base as well"),
        (["--base", "{tmp}/absent", "--make-base", "{tmp}"], "There is no tokenizer in"),
        (["--rows", "{tmp}/absent.jsonl"], "There is no training data"),
        (["--steps", "1"], "--steps is 1"),
        (["--set", "nothing=1"], "nothing"),
        (["--json", "{tmp}/no/x.json"], "does not exist"),
    ],
)
def test_a_measurement_that_cannot_be_made_is_refused_in_words(
    tiny_qwen3: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    usual = ["--base", str(tiny_qwen3), "--rows", str(CURRICULUM), "--json", str(tmp_path / "x.json")]
    ran = run("benchmark", "memory", *usual, *(one.format(tmp=tmp_path) for one in arguments))
    assert ran.returncode == 2 and sentence in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    assert list(tmp_path.iterdir()) == []
