"""Who has weights on the GPU: one lock in the data folder, with its holder's name inside.

The kernel gives the lock back when its holder ends, however it ends. Nothing on the CPU takes it. Knows nothing of
models or runs, and loads no torch.
"""

import ctypes
import os
from pathlib import Path

from medreason.errors import Busy
from medreason.file_lock import LOOKED_AT_S, FileLock
from medreason.folder import DataFolder

COMPARE = "Compare"
NVML_LIBRARIES = ("libnvidia-ml.so.1", "libnvidia-ml.so", "nvml.dll")


class GpuLock:
    """One holder's side of the lock. Thread-safe by its caller: an engine loads and unloads one at a time."""

    def __init__(self, folder: DataFolder):
        self._lock = FileLock(folder.root / ".gpu.lock")

    @property
    def held(self) -> bool:
        return self._lock.held

    def try_take(self, holder: str) -> bool:
        """Take the lock at once, or give False where somebody has it. Taken again by its holder, it stays taken.
        Raises `MedReasonError` where the data folder cannot hold locks."""
        return self._take(holder, 0.0)

    def _take(self, holder: str, wait_s: float) -> bool:
        if self._lock.held:
            return True
        self._lock.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._lock.wait(wait_s):
            return False
        self._lock.note(holder)
        return True

    def take(self, holder: str) -> None:
        """Take the lock, or raise `Busy` with a sentence that names who has it."""
        if not self._take(holder, LOOKED_AT_S):
            raise Busy(f"{self.busy_words()} Wait for it to end, then press Load the model.")

    def busy_words(self) -> str:
        """One sentence on who has the GPU."""
        holder = self.holder()
        if holder == COMPARE:
            return "Compare of another MedReason app on this data folder holds the GPU."
        return f"The run {holder} holds the GPU." if holder else "Something else holds the GPU."

    def holder(self) -> str:
        """Who has the lock: `COMPARE` or the name of a run; empty where nobody has it, or it does not say."""
        return self._lock.read() if self._lock.taken() else ""

    def give_back(self) -> None:
        """Let go of the lock; nothing happens where it is not held."""
        self._lock.give_back()


def has_gpu() -> bool:
    """Whether CUDA would find a GPU."""
    return gpu_count() > 0


def gpu_count() -> int:
    """How many GPUs CUDA would find, asked of the driver's own library: starting torch takes seconds and puts a
    context on the GPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return 0
    found = _driver_count()
    return found if visible is None else min(found, len(visible.split(",")))


def _driver_count() -> int:
    for name in NVML_LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            count = ctypes.c_uint(0)
            if library.nvmlInit_v2() != 0:
                return 0
            try:
                return count.value if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0 else 0
            finally:
                library.nvmlShutdown()
        except (OSError, AttributeError):
            continue
    return int(Path("/dev/kfd").exists())  # an AMD GPU, which torch also calls CUDA; how many is not looked at
