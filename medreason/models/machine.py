"""What this computer has: GPU, memory, cores and disk, asked of the system without loading torch.

The GPU is asked through nvidia-smi, which every NVIDIA driver brings. What cannot be had is told as zero.
"""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from medreason.domain.estimate import Machine

MIB = 1024**2
ASKED = ("nvidia-smi", "--query-gpu=index,uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits")
WITHIN_S = 10.0
FRESH_S = 5.0


@dataclass(frozen=True)
class Gpu:
    """One GPU as nvidia-smi tells it; memory in bytes, 0 where it does not say."""

    index: str
    uuid: str
    name: str
    memory: int
    free: int


class ThisMachine:
    """Called, it gives what this computer has now. `folder` is where the disk is looked at, whether it exists
    yet or not. The GPU is asked again only after some seconds: a form asks with every key."""

    def __init__(self, folder: Path, fresh_s: float = FRESH_S):
        self.folder = folder
        self.fresh_s = fresh_s
        self._gpus: tuple[Gpu, ...] = ()
        self._asked_at = float("-inf")

    def __call__(self) -> Machine:
        now = time.monotonic()
        if now - self._asked_at >= self.fresh_s:
            self._gpus = ask_gpus()
            self._asked_at = now
        first = self._gpus[0] if self._gpus else Gpu("", "", "", 0, 0)
        return Machine(
            gpu_name=first.name,
            gpus=len(self._gpus),
            gpu_memory=first.memory,
            gpu_memory_free=first.free,
            memory=psutil.virtual_memory().total,
            cores=cores(),
            disk_free=disk_free(self.folder),
        )


def ask_gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use; none where there is no driver, or where it does not answer in time."""
    try:
        ran = subprocess.run(ASKED, capture_output=True, text=True, errors="replace", timeout=WITHIN_S)
    except (OSError, subprocess.SubprocessError):
        return _loaded_gpus()
    if ran.returncode != 0:
        return _loaded_gpus()
    return visible(read_gpus(ran.stdout), os.environ.get("CUDA_VISIBLE_DEVICES"))


def read_gpus(told: str) -> tuple[Gpu, ...]:
    """The GPUs in nvidia-smi's table. Lines that are none are left out."""
    found = []
    for line in told.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 5 and cells[0].isdecimal():
            index, uuid, name, total, free = cells
            found.append(Gpu(index, uuid, name, _mib(total), _mib(free)))
    return tuple(found)


def visible(gpus: tuple[Gpu, ...], chosen: str | None) -> tuple[Gpu, ...]:
    """The GPUs that a process may use, in its order: CUDA_VISIBLE_DEVICES by number or by the start of a UUID; as
    CUDA does, whatever stands behind the first name that fits none is not seen."""
    if chosen is None:
        return gpus
    seen: list[Gpu] = []
    for name in (part.strip() for part in chosen.split(",")):
        found = [
            gpu for gpu in gpus if gpu.index == name or (name.startswith("GPU-") and gpu.uuid.startswith(name))
        ]
        if len(found) != 1 or found[0] in seen:
            break
        seen.append(found[0])
    return tuple(seen)


def cores() -> int:
    """Cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def disk_free(folder: Path) -> int:
    """Free bytes where `folder` is, or would be; 0 where that cannot be told."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return 0
    return 0


def _mib(told: str) -> int:
    try:
        return max(0, int(float(told) * MIB))
    except (ValueError, OverflowError):
        return 0  # "[N/A]" where GPU and processor share their memory


def _loaded_gpus() -> tuple[Gpu, ...]:
    """The GPUs as torch knows them, where this process uses them already."""
    # While another thread loads torch, half of it is there.
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not getattr(cuda, "is_initialized", bool)():
        return ()
    found = []
    for index in range(cuda.device_count()):
        free, total = cuda.mem_get_info(index)
        found.append(Gpu(str(index), "", cuda.get_device_name(index), total, free))
    return tuple(found)
