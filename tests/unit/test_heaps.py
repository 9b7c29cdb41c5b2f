"""Many threads of a process that serves share few heaps."""

import platform
import subprocess
import sys

import pytest

EIGHT_THREADS = """
import ctypes, threading
from medreason.heaps import keep_few
keep_few()
together = threading.Barrier(8)
threads = [threading.Thread(target=lambda: (bytes(5000), together.wait())) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
output = ctypes.c_void_p.in_dll(library, "stdout")
library.malloc_info(0, output)
library.fflush(output)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc makes a heap for each thread")
def test_threads_share_two_heaps() -> None:
    done = subprocess.run([sys.executable, "-c", EIGHT_THREADS], capture_output=True, text=True, check=True)
    assert 1 <= done.stdout.count("<heap nr=") <= 2
