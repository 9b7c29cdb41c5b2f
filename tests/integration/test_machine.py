"""The driver is asked as a process: answering, failing, hanging, missing. Looking and planning load no torch."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from medreason.folder import DataFolder
from medreason.models import machine
from medreason.models.machine import ThisMachine, ask_gpus
from tests.conftest import CHECKOUT

TWO = """0, GPU-aaaa-1, NVIDIA H100 80GB HBM3, 81559, 80994
1, GPU-bbbb-2, NVIDIA H100 80GB HBM3, 81559, 1024
"""
MIB = 1024**2


def fake_smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\n{script}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_the_driver_is_asked_and_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_smi(
        tmp_path, f"import sys; assert '--format=csv,noheader,nounits' in sys.argv; print({TWO!r})", monkeypatch
    )
    found = ThisMachine(tmp_path)()
    assert (found.gpus, found.gpu_name) == (2, "NVIDIA H100 80GB HBM3")
    assert (found.gpu_memory, found.gpu_memory_free) == (81559 * MIB, 80994 * MIB)
    assert found.memory > 0 and found.cores > 0 and found.disk_free > 0


@pytest.mark.parametrize("script", ["raise SystemExit(9)", "print('No devices were found'); raise SystemExit(6)"])
def test_a_driver_that_fails_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    fake_smi(tmp_path, script, monkeypatch)
    assert ask_gpus() == ()


def test_a_driver_that_hangs_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_smi(tmp_path, "import time; time.sleep(60)", monkeypatch)
    monkeypatch.setattr(machine, "WITHIN_S", 0.3)
    assert ask_gpus() == ()


def test_without_a_driver_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = ThisMachine(tmp_path)()
    assert (found.gpus, found.gpu_name, found.gpu_memory, found.gpu_memory_free) == (0, "", 0, 0)


def test_looking_loads_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from medreason.models.machine import ThisMachine; "
        "ThisMachine(Path('.'))(); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert ran.stdout.strip() == "False", ran.stderr


def test_planning_loads_no_model_software_and_asks_no_hub(folder: DataFolder) -> None:
    code = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from pathlib import Path\n"
        "from medreason.domain.estimate import Machine\n"
        "from medreason.finetune.presets import PRESETS\n"
        "from medreason.folder import DataFolder\n"
        "from medreason.services.training_plan import TrainingPlan\n"
        f"plan = TrainingPlan(DataFolder(Path({str(folder.root)!r})), Machine)\n"
        "for config in PRESETS.values(): plan.plan(config)\n"
        "print([m for m in ('torch', 'transformers', 'trl', 'datasets', 'pandas', 'pyarrow') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr
