"""On a real GPU: chat and training hand the GPU to each other, and never hold it together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from medreason.engine.protocol import Phase
from medreason.errors import Busy
from medreason.folder import DataFolder
from medreason.models.gpu_lock import COMPARE, GpuLock, has_gpu
from medreason.services.training import Training
from tests import runs
from tests.runs import ENGINEER, at_step_two, config, ended, gone, waits

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]


@pytest.fixture
def training(folder: DataFolder) -> Iterator[Training]:
    yield from runs.started(folder)


def test_the_gpu_goes_from_chat_to_a_run_and_back(training: Training, tiny_qwen3: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    from medreason.engine.local import LocalEngine

    assert has_gpu()
    lock = GpuLock(training.folder)
    engine = LocalEngine(str(tiny_qwen3), "", "none", training.folder, None)
    engine.load()
    held = torch.cuda.memory_allocated()
    assert lock.holder() == COMPARE and held > 0
    training.start(ENGINEER, config(behaviour="gpu"))
    waits(training, "one", "Compare holds the GPU")
    engine.unload()
    assert torch.cuda.memory_allocated() < held
    at_step_two(training)
    with pytest.raises(Busy, match="The run one holds the GPU"):
        engine.load()
    assert engine.state.phase is Phase.FAILED and torch.cuda.memory_allocated() < held
    training.stop(ENGINEER, "one")
    ended(training)
    gone(training)
    engine.load()
    assert engine.state.phase is Phase.READY and lock.holder() == COMPARE
    engine.unload()
    assert lock.holder() == ""
