"""Fifty raters beside ten streams, and the same for half an hour; MEDREASON_DRILL_MINUTES shortens both."""

import os

from tests.load_drills import under_load

MINUTES = os.environ.get("MEDREASON_DRILL_MINUTES", "")


def test_fifty_raters_beside_ten_streams_save_within_a_second(tmp_path):
    minutes = float(MINUTES or 10)
    load = under_load(tmp_path, raters=50, streams=10, seconds=60 * minutes, every_s=10)
    found = load.figures()
    print(f"50 raters, one save in 10 s each, 10 streams, {minutes:g} min: {found}")
    print(f"The slowest saves: {load.slowest()}; who waited: {load.used.figures()}")
    assert found["words_lost"] == 0
    assert found["save_p95_s"] <= 1 and found["save_p99_s"] <= 3
    assert found["draft_p95_s"] <= 1 and found["draft_p99_s"] <= 3


def test_half_an_hour_of_work_leaves_memory_files_and_scratch_as_they_were(tmp_path):
    minutes = float(MINUTES or 30)
    load = under_load(tmp_path, raters=10, streams=4, seconds=60 * minutes, every_s=6)
    found = load.figures()
    print(f"Soak of {minutes:g} min, 10 raters, 4 streams: {found}")
    print(f"The slowest saves: {load.slowest()}; who waited: {load.used.figures()}")
    assert found["words_lost"] == 0
    assert found["memory_growth"] <= 0.10 and found["files_growth"] <= 8 and found["scratch_mb"] <= 50
