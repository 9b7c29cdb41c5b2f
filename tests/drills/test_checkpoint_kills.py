"""Fifty kills in the midst of a save, and the run ends as if there had been none (pytest -m drill -s)."""

from pathlib import Path

from tests.checkpoint_kills import kill_in_saves


def test_fifty_kills_in_saves_lose_no_checkpoint(tiny_qwen3: Path, tmp_path: Path) -> None:
    found = kill_in_saves(tiny_qwen3, tmp_path, count=50)
    print(
        f"\n{found['kills']} kills in a save, {found['cut']} of them before its end: {found['kept']} went on from "
        f"a whole checkpoint, {found['restarts']} lost one; same weights at the end: {found['same']}"
    )
    assert found["kills"] == found["kept"] == 50
    assert found["cut"] >= 10 and found["restarts"] == 0 and found["same"]
