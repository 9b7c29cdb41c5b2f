"""What the computer has, as nvidia-smi tells it; what cannot be had is zero and never a fault."""

import os
from pathlib import Path

import pytest

from medreason.domain.estimate import Machine
from medreason.models import machine
from medreason.models.machine import Gpu, ThisMachine, disk_free, read_gpus, visible

TWO = """0, GPU-aaaa-1, NVIDIA H100 80GB HBM3, 81559, 80994
1, GPU-bbbb-2, NVIDIA H100 80GB HBM3, 81559, 1024
"""
MIB = 1024**2


def test_the_table_is_read_in_bytes() -> None:
    first, second = read_gpus(TWO)
    assert first == Gpu("0", "GPU-aaaa-1", "NVIDIA H100 80GB HBM3", 81559 * MIB, 80994 * MIB)
    assert second.free == 1024 * MIB


@pytest.mark.parametrize(
    "told",
    [
        "",
        "No devices were found\n",
        "NVIDIA-SMI has failed because it couldn't communicate",
        "a,b,c,d,e",
        "0, x",
        "\0" * 9,
    ],
)
def test_what_is_no_table_holds_no_gpu(told: str) -> None:
    assert read_gpus(told) == ()


@pytest.mark.parametrize("memory", ["[N/A]", "[Not Supported]", "", "nan", "inf", "-5"])
def test_memory_that_is_not_told_is_zero(memory: str) -> None:
    (gpu,) = read_gpus(f"0, GPU-x, NVIDIA GB10, {memory}, {memory}")
    assert (gpu.name, gpu.memory, gpu.free) == ("NVIDIA GB10", 0, 0)


@pytest.mark.parametrize(
    ("chosen", "seen"),
    [
        (None, ["0", "1"]),
        ("", []),
        ("-1", []),
        ("1", ["1"]),
        ("1,0", ["1", "0"]),
        (" 1 , 0 ", ["1", "0"]),
        ("0,7,1", ["0"]),
        ("0,0", ["0"]),
        ("GPU-bbbb", ["1"]),
        ("GPU-", []),
        ("nonsense", []),
    ],
)
def test_only_the_gpus_that_a_process_may_use_count(chosen: str | None, seen: list[str]) -> None:
    assert [gpu.index for gpu in visible(read_gpus(TWO), chosen)] == seen


def test_the_driver_is_not_asked_with_every_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(machine, "ask_gpus", lambda: asked.append(1) or read_gpus(TWO))
    look = ThisMachine(tmp_path, fresh_s=60)
    assert look() == look() and isinstance(look(), Machine)
    assert len(asked) == 1
    soon = ThisMachine(tmp_path, fresh_s=0)
    soon(), soon()
    assert len(asked) == 3


def test_free_disk_is_told_for_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert disk_free(tmp_path / "not" / "yet") == pytest.approx(disk_free(tmp_path), rel=0.01)
    assert disk_free(Path(os.devnull) / "x") >= 0
