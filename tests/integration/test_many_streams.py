"""benchmark.py ui in small: every reader of the real app gets all of its own answer and none of another's."""

import json
import subprocess
import sys

from medreason.bench.streams import SAID, percentile
from tests.conftest import CHECKOUT


def test_six_answers_at_once_arrive_whole_and_apart(tmp_path):
    out = tmp_path / "ui.json"
    command = [sys.executable, "training_scripts/benchmark.py", "ui", "--json", str(out)]
    ran = subprocess.run(
        [*command, "--streams", "6", "--words", "40"], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    rows = {row["id"]: row for row in json.loads(out.read_text())["rows"]}
    assert rows["streams_lost"]["value"] == rows["streams_crossed"]["value"] == 0
    assert 0 < rows["streams_first_token_p95"]["value"] < rows["streams_whole_p95"]["value"]
    assert rows["streams_whole_p95"]["value"] >= rows["streams_whole_p95"]["against"] == 0.8


def test_the_95th_percentile_is_a_value_that_was_met():
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([1.0, 2.0, 3.0], 95) == 3.0
    assert percentile([4.0], 95) == 4.0


def test_words_are_known_by_their_stream():
    assert SAID.findall('["append", "s12b7. s12f0. s3b"]') == ["12", "12"]
