"""Checkpoints on disk: whole or not there, chosen by step and marker alone. The files hold any bytes here."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medreason.errors import MedReasonError
from medreason.finetune import checkpoints
from medreason.finetune.checkpoints import (
    FILES,
    MARKER,
    OPTIMIZER,
    TRAINER,
    WEIGHTS,
    Marker,
    begin,
    best_of,
    clear_unfinished,
    keep,
    newest_whole,
    place_of,
    read_checkpoints,
    rotate,
)
from medreason.finetune.faults import in_words
from medreason.finetune.resume import choose


def build(run: Path, step: int) -> Path:
    building = begin(run, step)
    for name in FILES:
        (building / name).write_bytes(f"{name} of step {step}".encode() * 100)
    return building


def make(run: Path, step: int, loss: float | None = None) -> Path:
    return keep(run, build(run, step), Marker(step, loss, 1.5 * step, 1.0 * step, {"steps": 99}))


def steps(run: Path) -> list[int]:
    return [one.step for one in read_checkpoints(run)]


def test_a_kept_checkpoint_is_whole_and_says_what_it_is(tmp_path: Path) -> None:
    make(tmp_path, 20, 2.5)
    make(tmp_path, 100)
    make(tmp_path, 3)
    assert [(one.step, one.whole, one.held_out_loss) for one in read_checkpoints(tmp_path)] == [
        (3, True, None),
        (20, True, 2.5),
        (100, True, None),
    ]
    newest = newest_whole(tmp_path)
    assert newest is not None and newest.step == 100
    resumption = choose(tmp_path)
    assert (resumption.step, resumption.marker.elapsed_s, resumption.marker.made) == (100, 150.0, {"steps": 99})


def test_what_is_being_built_is_not_there(tmp_path: Path) -> None:
    make(tmp_path, 1)
    build(tmp_path, 2)
    assert steps(tmp_path) == [1]
    clear_unfinished(tmp_path)
    assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["step-1"]


def test_a_checkpoint_without_one_of_its_files_is_not_kept(tmp_path: Path) -> None:
    building = build(tmp_path, 1)
    (building / OPTIMIZER).unlink()
    with pytest.raises(MedReasonError, match="lacks optimizer.pt"):
        keep(tmp_path, building, Marker(1, None, 1.0, 1.0, {}))
    assert steps(tmp_path) == []


def truncate(place: Path) -> None:
    os.truncate(place / OPTIMIZER, 100)


def alter(place: Path) -> None:
    content = bytearray((place / WEIGHTS).read_bytes())
    content[7] ^= 1
    (place / WEIGHTS).write_bytes(content)


def add_pickle(place: Path) -> None:
    (place / "pytorch_model.bin").write_bytes(b"\x80\x04.")


def link(place: Path) -> None:
    content = (place / WEIGHTS).read_bytes()
    (place.parent / "elsewhere").write_bytes(content)
    (place / WEIGHTS).unlink()
    (place / WEIGHTS).symlink_to(place.parent / "elsewhere")


def foreign_marker(place: Path) -> None:
    (place / MARKER).write_text(json.dumps({"step": 2, "files": {}}), encoding="utf-8")


def marker_of_another(place: Path) -> None:
    (place / MARKER).write_bytes((place.parent / "step-1" / MARKER).read_bytes())


DAMAGES = {
    "it has no marker, so it was not written to its end": lambda place: (place / MARKER).unlink(),
    "optimizer.pt is missing": lambda place: (place / OPTIMIZER).unlink(),
    "trainer_state.json is missing": lambda place: (place / TRAINER).unlink(),
    "optimizer.pt has 100 of": truncate,
    "adapter_model.safetensors is not as it was written": alter,
    "it holds pytorch_model.bin, which no run has put there": add_pickle,
    "adapter_model.safetensors is not a plain file": link,
    "its marker cannot be read": foreign_marker,
    "its marker is that of step 1": marker_of_another,
}


@pytest.mark.parametrize("words", DAMAGES)
def test_a_broken_checkpoint_is_passed_over_with_the_reason(tmp_path: Path, words: str) -> None:
    make(tmp_path, 1)
    DAMAGES[words](make(tmp_path, 2))
    resumption = choose(tmp_path)
    assert resumption.step == 1
    assert resumption.passed_over[0][0] == 2 and resumption.passed_over[0][1].startswith(words)


@pytest.mark.parametrize("words", [words for words in DAMAGES if "not as it was written" not in words])
def test_most_damage_is_seen_without_reading_the_files(tmp_path: Path, words: str) -> None:
    make(tmp_path, 1)
    DAMAGES[words](make(tmp_path, 2))
    broken = read_checkpoints(tmp_path)[1]
    assert not broken.whole and broken.fault.startswith(words) and broken.held_out_loss is None


def test_without_a_whole_one_the_refusal_names_each_and_its_fault(tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="has no checkpoint to go on from"):
        choose(tmp_path)
    (make(tmp_path, 1) / OPTIMIZER).unlink()
    truncate(make(tmp_path, 2))
    with pytest.raises(MedReasonError, match="step 2, because optimizer.pt has 100 of .* step 1, because optimiz"):
        choose(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_a_damaged_marker_is_a_fault_and_never_an_exception(tmp_path: Path, content: bytes) -> None:
    place = place_of(tmp_path, 1)
    if not place.exists():
        make(tmp_path, 1)
    (place / MARKER).write_bytes(content)
    assert [one.whole for one in read_checkpoints(tmp_path)] == [False]


def test_the_oldest_go_first_and_never_the_newest_or_the_best(tmp_path: Path) -> None:
    for step, loss in ((1, 3.0), (2, 1.0), (3, 2.0), (4, 1.5), (5, 1.0), (6, 2.5)):
        make(tmp_path, step, loss)
    best = best_of(read_checkpoints(tmp_path))
    assert best is not None and best.step == 2  # the earlier of two that are equally good
    rotate(tmp_path, 3)
    assert steps(tmp_path) == [2, 5, 6]
    rotate(tmp_path, 1)
    assert steps(tmp_path) == [2, 6]


def test_touching_an_old_checkpoint_does_not_save_it(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        make(tmp_path, step)
    for path in (place_of(tmp_path, 1), *place_of(tmp_path, 1).iterdir()):
        os.utime(path, (4e9, 4e9))
    os.utime(place_of(tmp_path, 3), (1, 1))
    assert choose(tmp_path).step == 3
    rotate(tmp_path, 2)
    assert steps(tmp_path) == [2, 3]


def test_broken_ones_go_once_a_newer_one_is_whole(tmp_path: Path) -> None:
    make(tmp_path, 1)
    truncate(make(tmp_path, 2))
    make(tmp_path, 3)
    truncate(make(tmp_path, 4))
    rotate(tmp_path, 5)
    assert steps(tmp_path) == [1, 3, 4]


def test_without_a_whole_one_nothing_is_removed(tmp_path: Path) -> None:
    truncate(make(tmp_path, 1))
    truncate(make(tmp_path, 2))
    rotate(tmp_path, 1)
    assert steps(tmp_path) == [1, 2]


def test_a_broken_one_is_replaced_and_a_whole_one_stays(tmp_path: Path) -> None:
    truncate(make(tmp_path, 1, 3.0))
    make(tmp_path, 1, 2.0)
    make(tmp_path, 1, 1.0)
    assert [(one.whole, one.held_out_loss) for one in read_checkpoints(tmp_path)] == [(True, 2.0)]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fills_up_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    make(tmp_path, 1)
    building = build(tmp_path, 2)

    def full(file: int) -> None:
        raise OSError(number, os.strerror(number), "/somewhere")

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    with pytest.raises(OSError) as raised:
        keep(tmp_path, building, Marker(2, None, 1.0, 1.0, {}))
    said = in_words(raised.value)
    assert "disk is full" in said or number == errno.EIO and "Input/output error" in said
    assert [(one.step, one.whole) for one in read_checkpoints(tmp_path)] == [(1, True)]
    assert choose(tmp_path).step == 1
