"""What a training process sets for itself before the model software is loaded: cores, memory, one GPU, quiet."""

import ctypes
import os
import warnings


def settle(gpus: int = 1) -> None:
    """Use every core this process may run on, unless OMP_NUM_THREADS says otherwise, and the first of the GPUs, or
    as many as the run has processes, which also share the cores; no telemetry. Call it before anything loads
    torch, which it does itself at its end."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait do not spin: the app that started this run answers questions on the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # The trainer refuses several GPUs in one process that is alone.
    there = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(gpus)))).split(",")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(there[:gpus])
    # What the libraries say to each other of their next versions would bury the run's own log.
    warnings.simplefilter("ignore", FutureWarning)
    _keep_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // gpus))
        if gpus > 1:  # else accelerate sets its own number
            os.environ["OMP_NUM_THREADS"] = str(torch.get_num_threads())


def _keep_memory() -> None:
    """Let glibc keep what is freed for the next step. By default it gives large blocks back to the system and
    fetches them anew each step, which cost up to a third of the time of a step on a CPU."""
    trim_threshold, top_pad, mmap_max = -1, -2, -4
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, -1)
        mallopt(top_pad, 64 * 1024**2)
    except (OSError, AttributeError):
        pass  # another C library: slower, and no less right
