"""Waiting for a turn, from the side of the process that waits; and the locks that it waits for."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medreason.errors import MedReasonError
from medreason.file_lock import FileLock
from medreason.finetune.progress import Recorder, read_state
from medreason.finetune.turn import LOCK_FILE, Turn, wait_for_turn
from medreason.folder import DataFolder
from medreason.models.gpu_lock import COMPARE, GpuLock
from tests.runs import within


class Waiting:
    """A run by hand that waits in a thread of this process."""

    def __init__(self, folder: DataFolder, name: str, needs_gpu: bool = False):
        self.path = folder.runs / name
        self.path.mkdir(exist_ok=True)
        self.recorder = Recorder(self.path)
        self.asked = False
        self.turn: Turn | None = None
        self.fault = ""
        self.thread = threading.Thread(target=self._wait, args=(folder, needs_gpu))
        self.thread.start()

    def _wait(self, folder: DataFolder, needs_gpu: bool) -> None:
        try:
            self.turn = wait_for_turn(self.path, folder, needs_gpu, self.recorder, lambda: self.asked)
        except MedReasonError as fault:
            self.fault = str(fault)

    def said(self) -> str:
        state = read_state(self.path)
        return state.message if state else ""

    def end(self) -> Turn:
        self.asked = True
        self.thread.join(10)
        assert self.turn is not None
        return self.turn


@pytest.fixture
def taken(folder: DataFolder) -> Iterator[FileLock]:
    """The lock of the run that trains, in another's hands."""
    lock = FileLock(folder.runs / LOCK_FILE)
    assert lock.try_take()
    lock.write("other")
    yield lock
    lock.give_back()


def test_a_run_whose_folder_is_removed_ends_its_wait_in_words(folder: DataFolder, taken: FileLock) -> None:
    one = Waiting(folder, "one")
    within(5, lambda: one.said() == "Waiting: run other is training.")
    shutil.rmtree(one.path)
    one.thread.join(10)
    assert one.fault and "is gone" in one.fault
    two = Waiting(folder, "two")
    within(5, lambda: bool(two.said()))
    os.rename(two.path, folder.runs / "aside")
    two.path.mkdir()
    two.thread.join(10)
    assert two.fault and "Another folder took the place" in two.fault


def test_a_full_disk_does_not_end_a_wait(folder: DataFolder, taken: FileLock) -> None:
    path = folder.runs / "one"
    path.mkdir()
    (path / "state.json.new").symlink_to("/dev/full")
    one = Waiting(folder, "one")
    time.sleep(0.5)
    assert one.thread.is_alive() and one.said() == ""
    (path / "state.json.new").unlink()
    within(5, lambda: "other is training" in one.said())
    taken.give_back()
    one.thread.join(10)
    assert one.turn is not None and one.turn.reached
    one.turn.end()


def test_waiting_counts_as_none_of_the_runs_own_time(folder: DataFolder, taken: FileLock) -> None:
    one = Waiting(folder, "one")
    time.sleep(1.0)
    taken.give_back()
    one.thread.join(10)
    assert one.turn is not None and one.turn.reached
    assert one.recorder.elapsed_s < 0.5
    one.turn.end()


def test_who_is_asked_to_stop_while_waiting_holds_nothing(folder: DataFolder) -> None:
    gpu = GpuLock(folder)
    gpu.take(COMPARE)
    one = Waiting(folder, "one", needs_gpu=True)
    within(5, lambda: "Compare holds the GPU" in one.said())
    assert not one.end().reached
    assert not FileLock(folder.runs / LOCK_FILE).taken()
    gpu.give_back()


def test_a_turn_ends_with_its_block(folder: DataFolder) -> None:
    path = folder.runs / "one"
    path.mkdir()
    lock = FileLock(folder.runs / LOCK_FILE)
    with wait_for_turn(path, folder, True, Recorder(path), lambda: False) as turn:
        assert turn.reached and lock.taken() and GpuLock(folder).holder() == "one"
    assert not lock.taken() and GpuLock(folder).holder() == ""


def test_a_lock_is_inherited_and_ends_with_the_heir(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.try_take()
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.file,), text=True
    )
    lock.hand_over()
    assert other.taken() and not other.try_take()
    child.communicate("\n", timeout=10)
    assert not other.taken() and other.wait(2.0)
    other.give_back()


def test_a_data_folder_that_knows_no_locks_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="cannot be locked"):
        FileLock(tmp_path / "absent" / "lock").try_take()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MedReasonError, match="cannot be locked"):
        FileLock(tmp_path / "link").try_take()
    assert not (tmp_path / "elsewhere").exists()
