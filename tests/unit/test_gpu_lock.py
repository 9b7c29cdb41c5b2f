"""Who holds the GPU: one, by name, until it gives it back."""

import pytest

from medreason.errors import Busy
from medreason.folder import DataFolder
from medreason.models import gpu_lock
from medreason.models.gpu_lock import COMPARE, GpuLock, gpu_count, has_gpu


def test_one_holds_it_and_the_other_is_told_who(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_lock, "LOOKED_AT_S", 0.02)
    run, compare = GpuLock(folder), GpuLock(folder)
    assert compare.holder() == ""
    assert run.try_take("heart-2") and run.try_take("heart-2") and run.held
    assert not compare.try_take(COMPARE) and not compare.held
    with pytest.raises(
        Busy, match=r"The run heart-2 holds the GPU\. Wait for it to end, then press Load the model\."
    ):
        compare.take(COMPARE)
    run.give_back()
    run.give_back()
    assert not run.held and compare.holder() == ""
    compare.take(COMPARE)
    assert run.holder() == COMPARE
    with pytest.raises(Busy, match="Compare of another MedReason app"):
        GpuLock(folder).take(COMPARE)
    compare.give_back()


def test_looking_who_holds_it_takes_nothing_away(folder: DataFolder) -> None:
    lock, other = GpuLock(folder), GpuLock(folder)
    for _ in range(50):
        assert other.holder() == ""
        lock.take(COMPARE)
        assert other.holder() == COMPARE
        lock.give_back()


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_a_hidden_gpu_is_none(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not has_gpu()


@pytest.mark.parametrize(("visible", "count"), [(None, 4), ("2,3", 2), ("0,1,2,3,4,5", 4), ("GPU-ab", 1), ("", 0)])
def test_only_gpus_that_may_be_seen_count(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int
) -> None:
    monkeypatch.setattr(gpu_lock, "_driver_count", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_count() == count
