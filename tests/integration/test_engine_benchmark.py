"""benchmark.py decode on a tiny model: a row a figure, and plain refusals."""

import json
import subprocess
import sys

import pytest

from medreason.folder import DataFolder
from tests.conftest import CHECKOUT

KEYS = {"id", "what", "value", "unit", "against", "ratio"}


def run(*words) -> subprocess.CompletedProcess:
    command = [sys.executable, "training_scripts/benchmark.py", "decode", *map(str, words)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)


def test_the_benchmark_writes_its_ratios(tiny_qwen3, tmp_path):
    out = tmp_path / "bench.json"
    ran = run(
        "--json", out, "--base-model", tiny_qwen3, "--adapter", "random", "--tokens", 4, "--rounds", 2,
        "--data-dir", tmp_path / "data",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    report = json.loads(out.read_text())
    assert set(report) == {"machine", "versions", "rows"}
    rows = {row["id"]: row for row in report["rows"]}
    assert set(rows) == {
        *("pair_vs_sequential", "pair_vs_generate", "pair_step_vs_single", "four_pairs", "first_token"),
        *("share_of_bandwidth", "lever_own_layers", "lever_packed"),
    }
    assert all(set(row) == KEYS and row["value"] > 0 for row in rows.values())
    pair = rows["pair_vs_sequential"]
    assert pair["ratio"] == pytest.approx(pair["value"] / pair["against"], rel=0.7)
    assert "median of 2" in pair["what"] and rows["first_token"]["ratio"] is None


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_two_generate_calls_are_timed_where_the_engine_goes_the_plain_way(
    tiny_qwen3, tiny_adapter, tmp_path, monkeypatch
):
    """There the engine's own adapter stands in the modules that PEFT wants; each finds them free in its turn."""
    from medreason.engine import bench_runs, served
    from medreason.models.base import load_base, resolve_base
    from tests.integration.engine_steps import answers, text

    monkeypatch.setattr(served, "unfit", lambda model: "of another family")
    folder = DataFolder(tmp_path)
    base = load_base(resolve_base(str(tiny_qwen3), "", folder, "none"))
    engine = bench_runs.BenchEngine(base, folder, tiny_adapter).ready()
    assert engine.provenance.engine == "local, plain"
    before = answers(engine)
    for _ in range(2):
        assert bench_runs.generate(engine, tiny_adapter, 4).seconds > 0
        assert len(bench_runs.ask(engine, 4).first_s) == 2
    assert [text(one) for one in answers(engine).values()] == [text(one) for one in before.values()]
    engine.unload()


@pytest.mark.parametrize(
    "words,sentence",
    [
        (["--json", "no/such/b.json"], "does not exist"),
        (["--json", "b.json", "--tokens", "1"], "--tokens is 1: give 2 or more."),
        (["--json", "b.json", "--parts", "cats"], "There is no part cats."),
    ],
)
def test_wrong_options_are_one_sentence(words, sentence):
    ran = run(*words)
    assert ran.returncode == 2 and sentence in ran.stderr and ran.stderr.count("\n") == 1
