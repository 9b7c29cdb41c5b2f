"""Killed while it saves, a run goes on from a whole checkpoint. In full: tests/drills/test_checkpoint_kills.py."""

from pathlib import Path

from tests.checkpoint_kills import kill_in_saves


def test_a_run_killed_in_its_saves_goes_on_from_a_whole_checkpoint(tiny_qwen3: Path, tmp_path: Path) -> None:
    found = kill_in_saves(tiny_qwen3, tmp_path, count=5)
    assert found["kills"] == found["kept"] == 5
    assert found["restarts"] == 0 and found["same"]
