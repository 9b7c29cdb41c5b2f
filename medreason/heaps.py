"""The memory that the C library keeps for a process that serves. Knows nothing of what lies in it."""

import ctypes
import sys

FEW = 2
ARENA_MAX = -8
"""As malloc.h of glibc has it; other C libraries have one heap, and no such setting."""


def keep_few() -> None:
    """By itself glibc gives nearly each thread a heap of its own, eight for each core. What one heap has free is
    of no use to the others, so under a steady load all of them grow for hours. Called before there are threads;
    those of Python hardly ever allocate at the same moment, so few heaps slow nobody down."""
    if sys.platform == "linux" and (set_option := getattr(ctypes.CDLL(None), "mallopt", None)):
        set_option(ARENA_MAX, FEW)
