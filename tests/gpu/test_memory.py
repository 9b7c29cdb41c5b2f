"""What the plan of a preset promises is what its run takes, at the shapes of Qwen3-8B."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medreason.demo import CURRICULUM
from medreason.finetune.presets import ARTICLE, BALANCED, SMALL_GPU
from tests.conftest import CHECKOUT

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

REAL_ROWS = CHECKOUT.parent / "shared" / "data" / "medical_o1_198.jsonl"


def test_the_peak_memory_of_the_presets_is_within_a_tenth_of_the_plan(qwen3_8b: Path, tmp_path: Path) -> None:
    rows = REAL_ROWS if REAL_ROWS.is_file() else CURRICULUM
    out = tmp_path / "memory.json"
    command = [sys.executable, "training_scripts/benchmark.py", "memory", "--base", str(qwen3_8b)]
    command += ["--rows", str(rows), "--json", str(out), "--presets", ARTICLE, BALANCED, SMALL_GPU]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
    print(f"\n{ran.stdout}")
    found = json.loads(out.read_text(encoding="utf-8"))["rows"]
    peaks = [row for row in found if row["id"].startswith("memory_")]
    assert len(peaks) == 3
    for row in peaks:
        assert 0.9 < row["ratio"] < 1.1, row
