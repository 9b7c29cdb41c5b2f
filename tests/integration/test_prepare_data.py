"""prepare_data.py as a user runs it: on a file, on real rows, on every kind of bad input."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from medreason.data.prepared import prepared_rows, read_lengths, read_prepared
from medreason.data.rows import load_rows
from medreason.data.training_rows import rows_for
from medreason.demo import CASES, CURRICULUM
from medreason.domain.training import TrainingConfig
from medreason.folder import DataFolder
from tests.conftest import CHECKOUT

SCRIPT = CHECKOUT / "training_scripts" / "prepare_data.py"
REAL_ROWS = CHECKOUT.parent / "shared" / "data" / "medical_o1_198.jsonl"
GOOD = {"Question": "Why fever?", "Complex_CoT": "Infection first.", "Response": "Infection."}
TOKEN = "hf_canaryThatMustNotBeSeen"


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_TOKEN": TOKEN, "OMP_NUM_THREADS": "2"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        cwd=cwd or CHECKOUT,
    )


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare_data", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refusal(script: ModuleType, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The last line that the script prints when it refuses; in this process, where a traceback would be raised."""
    try:
        code = script.main([str(word) for word in words])
    except SystemExit as left:
        code = left.code
    assert code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def file_of(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def question(number: int) -> dict[str, str]:
    return {
        **GOOD,
        "Question": f"What is finding {number} a sign of, and what is done?",
        "Complex_CoT": "Why. " * 60,
    }


@pytest.fixture(scope="module")
def data_dir(embedded_model: Path) -> Path:
    """The data folder in which the embedded model is unpacked already."""
    return embedded_model.parent.parent


def test_a_file_becomes_prepared_data_that_a_run_can_use(data_dir: Path, tmp_path: Path) -> None:
    seen = json.loads(CASES.read_text(encoding="utf-8").splitlines()[0])
    rows = [question(number) for number in range(20)]
    rows += [{**question(1), "Response": "Again."}, {**GOOD, "Question": "Short?"}, {**GOOD, "Response": ""}]
    rows.append({**question(0), "Question": seen["text"]})
    out = tmp_path / "data" / "datasets" / "mine"
    source = file_of(tmp_path / "rows.jsonl", *rows)
    ran = run(
        "--source", source, "--skip-faulty", "--eval-fraction", 0.1, "--seed", 3, "--out", out,
        "--data-dir", data_dir,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    data = read_prepared(out)
    counts = data.counts
    assert (counts.read, counts.faulty, counts.short_thinking, counts.equal) == (24, 1, 1, 1)
    assert (counts.train, counts.held_out) == (19, 2)
    train, held_out = prepared_rows(out)
    assert len(train) == 19 and len(held_out) == 2 and not {*train} & {*held_out}
    assert data.tokenizer == read_lengths(out).tokenizer == "SmolLM2-135M-Instruct"
    assert [one.case_id for one in data.overlaps] == [seen["case_id"]]
    assert train[data.overlaps[0].row - 1].question == seen["text"]
    proposal = f"Proposed longest row: {data.proposed_max_length} tokens"
    for words in ("rows read", "faulty, left out", "whole", "thinking", proposal, "1 of the"):
        assert words in ran.stdout
    assert all(f"At {at} tokens" in ran.stdout for at in ("1,024", "2,048", "4,096"))
    assert TOKEN not in ran.stdout + ran.stderr
    assert not any(TOKEN in one.read_text(encoding="utf-8") for one in out.iterdir())
    assert str(tmp_path) not in (out / "manifest.json").read_text(encoding="utf-8")
    rows_of_run = rows_for(TrainingConfig(data="mine", max_rows=0), DataFolder(tmp_path / "data"))
    assert (rows_of_run.train, rows_of_run.held_out) == (train, held_out)
    again = run("--source", source, "--out", out)
    assert again.returncode == 2 and "already something named mine" in again.stderr


def test_the_curriculum_keeps_every_row(data_dir: Path, tmp_path: Path) -> None:
    ran = run("--source", "curriculum", "--min-thinking", 0, "--out", tmp_path / "all", "--data-dir", data_dir)
    assert ran.returncode == 0, ran.stderr
    train, held_out = prepared_rows(tmp_path / "all")
    assert {*train, *held_out} == {*load_rows(CURRICULUM)}
    assert "None of the" in ran.stdout


@pytest.mark.skipif(not REAL_ROWS.is_file(), reason="the folder with the real rows is not beside the checkout")
def test_real_rows_are_all_kept_and_measured(data_dir: Path, tmp_path: Path) -> None:
    ran = run("--source", REAL_ROWS, "--out", tmp_path / "real", "--data-dir", data_dir)
    assert ran.returncode == 0, ran.stderr
    data = read_prepared(tmp_path / "real")
    assert (data.counts.read, data.counts.train, data.counts.held_out) == (198, 188, 10)
    parts = read_lengths(tmp_path / "real")
    texts = sorted(map(sum, zip(parts.question, parts.thinking, parts.answer, strict=True)))
    assert (texts[98] + texts[99]) / 2 == pytest.approx(671, abs=1) and texts[-1] == 1074
    assert data.proposed_max_length == 1152


def test_help_names_every_option() -> None:
    ran = run("--help")
    assert ran.returncode == 0
    for option in (
        "source", "config", "revision", "columns", "tokenizer", "min-thinking", "max-rows", "eval-fraction",
        "seed", "skip-faulty", "cases", "out",
    ):  # fmt: skip
        assert f"--{option} " in ran.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--source", "http://example.org/rows.jsonl"), "is an address, and nothing is fetched"),
        (("--source", "../../etc/passwd"), "There is no training data"),
        (("--source", "missing.jsonl"), "There is no training data missing.jsonl"),
        (("--source", "owner/name"), "The hub cannot be reached"),
        (("--source", "curriculum", "--seed", "-1"), "Seed is -1"),
        (("--source", "curriculum", "--eval-fraction", "0.9"), "Held-out share is 0.9"),
        (("--source", "curriculum", "--eval-fraction", "nan"), "Held-out share is nan"),
        (("--source", "curriculum", "--max-rows", "many"), "invalid int value"),
        (("--source", "curriculum", "--min-thinking", "900000"), "none has thinking of more than 900,000"),
        (("--source", "curriculum", "--columns", "a,b"), "cannot be read. Write them as Question=…"),
        (("--source", "curriculum", "--cases", "missing.csv"), "does not exist"),
        (("--source", "curriculum", "--tokenizer", "no such model"), "The tokenizer no such model was not found"),
        (("--source", "curriculum", "--tokenizer", "owner/name"), "could not be downloaded"),
        (("--source", "curriculum", "--tokenizer", "."), "holds no tokenizer that can be read"),
        ((), "The following arguments are required: --source"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    words: tuple[str, ...],
    sentence: str,
    script: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    said = refusal(script, capsys, *words, "--out", tmp_path / "out", "--data-dir", tmp_path / "data")
    assert sentence in said and TOKEN not in said
    assert not (tmp_path / "out").exists()


def test_a_refusal_shows_no_traceback_and_leaves_nothing(tmp_path: Path) -> None:
    ran = run("--source", "curriculum", "--seed", -1, "--out", tmp_path / "out")
    assert (ran.returncode, ran.stdout) == (2, "") and "Traceback" not in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "it holds no rows"),
        ([question(0)], "Only one row is left"),
        ([{"Question": "a", "Response": "b"}], "row 1, column Complex_CoT is in no row"),
        ([question(0), {**question(1), "Response": 7}], "row 2, column Response is a number, not text"),
        (
            [question(0), {**question(1), "Complex_CoT": "x" * 5_000_000}],
            "row 2, column Complex_CoT has 5,000,000",
        ),
        ([{**question(0), "id": 1}, {**question(1), "id": 1}], "row 2, column id repeats 1 of row 1"),
    ],
)
def test_bad_rows_are_refused_by_row_and_column(
    rows: list[object],
    sentence: str,
    script: ModuleType,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = file_of(tmp_path / "rows.jsonl", *rows)
    said = refusal(script, capsys, "--source", source, "--out", tmp_path / "out", "--data-dir", data_dir)
    assert sentence in said and len(said) < 600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["rows.jsonl"]


@pytest.mark.parametrize("name", [".hidden", "sp ace", "x" * 65])
def test_a_folder_whose_name_cannot_be_used_is_refused(
    name: str, script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(script, capsys, "--source", "curriculum", "--out", tmp_path / name)
    assert "The name of the folder of --out" in said
