"""A folder of weights is there whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from medreason.errors import MedReasonError
from medreason.models.new_folder import new_folder, read_record, refuse_taken, refuse_too_little_room, write_record


def test_a_folder_appears_when_it_is_done(tmp_path: Path) -> None:
    with new_folder(tmp_path / "model") as building:
        (building / "weights").write_text("all")
        assert not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "weights").read_text() == "all"


@pytest.mark.parametrize("fault", [MedReasonError("no"), ValueError("no"), KeyboardInterrupt(), SystemExit(143)])
def test_a_fault_leaves_nothing(tmp_path: Path, fault: BaseException) -> None:
    with pytest.raises(type(fault)), new_folder(tmp_path / "model") as building:
        (building / "half").write_text("half")
        raise fault
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="cannot be written .No space left"), new_folder(tmp_path / "model"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    left = tmp_path / ".model.building"
    (left / "deeper").mkdir(parents=True)
    (left / "half").write_text("half")
    with new_folder(tmp_path / "model") as building:
        assert list(building.iterdir()) == []
        (building / "weights").write_text("all")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["weights"]


def test_two_cannot_build_the_same_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "model") as building:
        (building / "weights").write_text("mine")
        with pytest.raises(MedReasonError, match="Another process"), new_folder(tmp_path / "model"):
            pass
    assert (tmp_path / "model" / "weights").read_text() == "mine"


def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("taken", "link"):
        with pytest.raises(MedReasonError, match="exists already"):
            refuse_taken(tmp_path / name)
    with pytest.raises(MedReasonError, match="does not exist. Make it first"):
        refuse_taken(tmp_path / "no" / "model")
    with pytest.raises(MedReasonError, match="exists already"), new_folder(tmp_path / "late"):
        (tmp_path / "late").mkdir()
        (tmp_path / "late" / "theirs").write_text("theirs")
    assert (tmp_path / "late" / "theirs").exists() and not (tmp_path / ".late.building").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MedReasonError, match="cannot be written"):
        refuse_taken(tmp_path / "model")
    tmp_path.chmod(0o700)


def test_too_little_room_names_both_numbers(tmp_path: Path) -> None:
    refuse_too_little_room(tmp_path / "model", 1)
    with pytest.raises(MedReasonError, match=r"GB free, and 1,000,000,000\.0 GB are needed"):
        refuse_too_little_room(tmp_path / "model", 1e18)


def test_a_record_is_read_back_and_a_broken_one_is_empty(tmp_path: Path) -> None:
    write_record(tmp_path, "made.json", {"made_from": "Qwen/Qwen3-8B"})
    assert read_record(tmp_path, "made.json") == {"made_from": "Qwen/Qwen3-8B"}
    (tmp_path / "made.json").write_text("[1")
    assert read_record(tmp_path, "made.json") == read_record(tmp_path, "absent.json") == {}
