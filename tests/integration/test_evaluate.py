"""evaluate.py as a command, on a tiny model: rows on disk, figures printed, plain refusals."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from medreason.domain.answers import Answer, Counts, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.case import Case
from tests.conftest import CHECKOUT


def run(script: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, f"training_scripts/{script}.py", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("evaluate", CHECKOUT / "training_scripts" / "evaluate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    file = tmp_path / "cases.jsonl"
    rows = [{"case_id": f"c{number}", "text": f"Chest pain, case {number}. Why?"} for number in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_both_arms_answer_every_case_with_proof(cases, tiny_qwen3, tiny_adapter, tmp_path):
    out = tmp_path / "out.jsonl"
    ran = run(
        "evaluate", "--cases", cases, "--base-model", tiny_qwen3, "--adapter", tiny_adapter, "--engine", "local",
        "--greedy", "--seed", 1, "--max-new-tokens", 6, "--limit", 2, "--out", out,
        "--data-dir", tmp_path / "data",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["case_id"], row["arm"]) for row in rows] == [
        (case, arm) for case in ("c0", "c1") for arm in ("baseline", "finetuned")
    ]
    for row in rows:
        proof = row["provenance"]
        assert proof["adapter_active"] == (row["arm"] == "finetuned")
        assert proof["sampling"]["temperature"] == 0 and proof["sampling"]["max_new_tokens"] == 6
        assert row["finish"] == "length" and row["timings"]["total_s"] > 0
    assert rows[0]["provenance"]["model"] == rows[1]["provenance"]["model"]
    assert "opens and closes a thinking trace and then answers: baseline 0 of 2, fine-tuned 0 of 2" in ran.stdout
    again = run("evaluate", "--cases", cases, "--out", out)
    assert again.returncode == 2 and "exists already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cases", "no-such.jsonl", "--out", "{tmp}/o"], "no-such.jsonl"),
        (["--cases", "{cases}", "--out", "{tmp}/o", "--max-new-tokens", "0"], "Longest answer in tokens is 0"),
        (["--cases", "{cases}", "--out", "{tmp}/no/o"], "does not exist"),
        (["--cases", "{cases}", "--out", "{tmp}/o", "--base-model", "nonsense"], "nonsense was not found"),
        (["--cases", "{cases}", "--out", "{tmp}/o", "--limit", "-1"], "--limit is -1"),
        (
            ["--cases", "{cases}", "--out", "{tmp}/o", "--at-once", "0"],
            "--at-once is 0: give a whole number from 1",
        ),
        (["--cases", "{cases}"], "--out"),
    ],
)
def test_bad_input_is_one_plain_sentence(cases, tmp_path, arguments, said):
    filled = [one.format(cases=cases, tmp=tmp_path) for one in arguments]
    ran = run("evaluate", *filled, "--data-dir", tmp_path / "data")
    assert ran.returncode == 2 and said in ran.stderr and len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_an_adapter_that_does_not_fit_is_refused_not_left_out(cases, tiny_qwen3, tmp_path):
    ran = run(
        "evaluate", "--cases", cases, "--base-model", tiny_qwen3, "--adapter", tmp_path / "none",
        "--out", tmp_path / "o", "--data-dir", tmp_path / "data",
    )  # fmt: skip
    assert ran.returncode == 2 and "There is no adapter at" in ran.stderr and "Traceback" not in ran.stderr


def test_the_summary_counts_only_closed_traces_with_an_answer(script):
    def answer(thinking: str, text: str, tokens: tuple[int, int]) -> Answer:
        closed = bool(thinking and text)
        counts = Counts(9, *tokens)
        return Answer(thinking, text, Finish.STOP, thought=bool(thinking), closed=closed, counts=counts)

    said = [
        (Case("a", "?"), dict(zip(ARMS, (answer("", "x", (0, 4)), answer("t", "x", (10, 2))), strict=True))),
        (Case("b", "?"), dict(zip(ARMS, (answer("", "x", (0, 6)), answer("t", "", (30, 0))), strict=True))),
    ]
    lines = list(script.summary(said))
    assert lines[3].split() == ["average", "0.0", "20.0", "20.0", "5.0", "1.0", "-4.0"]
    assert "opens and closes a thinking trace and then answers: baseline 0 of 2, fine-tuned 1 of 2" in lines


def test_a_failed_case_is_left_out_of_both_averages(script):
    fine = Answer("t", "x", Finish.STOP, thought=True, closed=True, counts=Counts(9, 3, 3))
    failed = Answer(finish=Finish.FAILED, fault="The memory did not suffice.")
    said = [
        (Case("a", "?"), {Arm.BASELINE: fine, Arm.FINETUNED: fine}),
        (Case("b", "?"), {Arm.BASELINE: fine, Arm.FINETUNED: failed}),
    ]
    lines = list(script.summary(said))
    assert "average over 1 of 2 cases; difference is fine-tuned minus baseline" in lines
    assert "failed: baseline 0, fine-tuned 1" in lines


def test_an_interrupted_evaluation_goes_on_where_it_stopped(cases, tiny_qwen3, tiny_adapter, tmp_path):
    out = tmp_path / "out.jsonl"

    def go(*more: object) -> subprocess.CompletedProcess:
        return run(
            "evaluate", "--cases", cases, "--base-model", tiny_qwen3, "--adapter", tiny_adapter, "--greedy",
            "--max-new-tokens", 4, "--out", out, "--data-dir", tmp_path / "data", *more,
        )  # fmt: skip

    assert go("--limit", 2).returncode == 0
    first = out.read_bytes()
    lines = first.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:3]) + lines[3][:40])  # killed while the fourth line was written
    again = go("--resume")
    assert again.returncode == 0, again.stderr
    assert "1 of 3 cases were answered before" in again.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["case_id"] for row in rows] == ["c0", "c0", "c1", "c1", "c2", "c2"]
    assert out.read_bytes().startswith(b"".join(lines[:2]))
    assert "average over 3 of 3 cases" in again.stdout
    done = out.read_bytes()
    assert go("--resume").returncode == 0 and out.read_bytes() == done
    other = go("--resume", "--seed", 7)
    assert other.returncode == 2 and "sampling differ" in other.stderr and out.read_bytes() == done
    assert len(other.stderr.strip().splitlines()) == 1
