"""A short training run of the embedded model on a real Ray cluster of this computer, from start to adapter.

Skipped where Ray is not installed (pip install -r requirements-ray.txt).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from medreason.domain.cluster import RayCluster
from medreason.domain.run import RunState
from medreason.folder import DataFolder
from medreason.models.hashes import file_sha256
from medreason.services.training import Training
from tests.runs import ENGINEER, config, ended, kill_all, within
from tests.server import free_port

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install -r requirements-ray.txt"
)
SHORT = {"max_rows": 6, "max_length": 96, "eval_fraction": 0.2, "save_every": 2, "log_every": 1}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ray = Path(sys.executable).with_name("ray")
    port, dashboard = free_port(), free_port()
    # Short: Ray puts sockets below it, whose names may not be long.
    folder = Path("/tmp") / f"ray-{os.getpid()}"
    options = ["--head", f"--port={port}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
    options += ["--num-cpus=2", "--object-store-memory=100000000", f"--temp-dir={folder}", "--disable-usage-stats"]
    environment = {**os.environ, "PATH": f"{ray.parent}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    node = subprocess.Popen(
        [str(ray), "start", *options, "--block"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    from medreason.finetune.ray_jobs import ClusterSilent, RayJobs

    def answers() -> bool:
        try:
            RayJobs(RayCluster(f"http://127.0.0.1:{dashboard}", "/tmp"))
            return True
        except ClusterSilent:
            return False

    try:
        within(90, answers)
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        node.terminate()
        node.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    yield Training(folder)
    kill_all(folder)


@pytest.fixture
def cluster(address: str, tmp_path: Path, embedded_model: Path) -> RayCluster:
    data = str(embedded_model.parents[1])
    return RayCluster(address, str(tmp_path / "there"), data, gpus=0, cpus=1, python=sys.executable)


def test_a_run_is_trained_there_and_its_adapter_fetched(training, cluster):
    training.start(ENGINEER, config("far", max_steps=4, **SHORT), cluster=cluster)
    done = ended(training, "far", 200)
    assert done.state is RunState.COMPLETED, (done.message, done.log_tail)
    assert [point.step for point in done.losses if not point.held_out] == [1, 2, 3, 4]
    assert [one.step for one in done.checkpoints if one.whole] == [2, 4]
    manifest = training.manifest("far")
    weights = Path(done.adapter) / "adapter_model.safetensors"
    assert manifest["adapter_sha256"] == file_sha256(weights) and manifest["steps"] == 4
    there = next(Path(cluster.working_dir).glob("runs/far-*/adapter/adapter_model.safetensors"))
    assert there.read_bytes() == weights.read_bytes() and "step 4 of 4" in done.log_tail


def test_stop_and_save_then_resume_there(training, cluster):
    training.start(ENGINEER, config("far", epochs=30.0, max_steps=60, **SHORT), cluster=cluster)
    within(200, lambda: training.status("far").step >= 2)
    training.stop(ENGINEER, "far", save=True)
    saved = ended(training, "far", 120)
    assert saved.state is RunState.STOPPED and saved.adapter and 2 <= saved.step < 60, saved.message
    training.resume(ENGINEER, "far")
    within(200, lambda: training.status("far").step > saved.step)
    assert training.status("far").resumed_from == saved.step
    training.stop(ENGINEER, "far")
    stopped = ended(training, "far", 120)
    assert stopped.state is RunState.STOPPED and stopped.can_resume, stopped.message
