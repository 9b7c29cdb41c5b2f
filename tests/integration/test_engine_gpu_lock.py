"""The chat engine takes the lock of the GPU when it loads onto one, and never on the CPU."""

from pathlib import Path

import pytest
import torch

from medreason.engine import local
from medreason.engine.local import LocalEngine
from medreason.engine.protocol import Phase
from medreason.errors import Busy, MedReasonError
from medreason.folder import DataFolder
from medreason.models.gpu_lock import COMPARE, GpuLock


def engine(folder: DataFolder) -> LocalEngine:
    return LocalEngine("embedded", "", "none", folder, None)


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


def test_a_gpu_that_a_run_holds_is_not_loaded_onto(folder: DataFolder, on_gpu: None) -> None:
    run, chat = GpuLock(folder), engine(folder)
    run.take("heart-2")
    with pytest.raises(Busy, match="The run heart-2 holds the GPU"):
        chat.load()
    assert chat.state.phase is Phase.FAILED and "press Load the model" in chat.state.message
    assert run.holder() == "heart-2"
    run.give_back()


def test_the_lock_is_held_while_loading_and_given_back_when_that_fails(
    folder: DataFolder, on_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def broken(*_: object) -> None:
        seen.append(GpuLock(folder).holder())
        raise MedReasonError("The weights are damaged.")

    monkeypatch.setattr(local, "load_base", broken)
    chat = engine(folder)
    for _ in range(2):
        with pytest.raises(MedReasonError, match="damaged"):
            chat.load()
    assert seen == [COMPARE, COMPARE] and GpuLock(folder).holder() == ""
    chat.unload()
    assert GpuLock(folder).holder() == ""


def test_on_the_cpu_nobody_takes_it(folder: DataFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        assert not (folder.root / ".gpu.lock").exists()
        raise MedReasonError("Seen enough.")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(local, "load_base", broken)
    with pytest.raises(MedReasonError, match="Seen enough"):
        engine(folder).load()
    assert not (folder.root / ".gpu.lock").exists()
