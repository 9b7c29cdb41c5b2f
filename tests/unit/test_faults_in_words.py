"""Every fault of a run is a sentence with a remedy, and none a traceback."""

import errno
import os
import re

import pytest

from medreason.finetune.faults import in_words


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "The GPU ran out of memory"),
        (MemoryError(), "The computer ran out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "The computer ran out of memory"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "The disk is full"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "The disk is full"),
        (
            RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter: file write failed"),
            "disk is full",
        ),
        (Exception("I/O error: No space left on device (os error 28)"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x cannot be used"),
        (KeyError("x"), r"unexpected fault \(KeyError\)"),
    ],
)
def test_a_fault_is_said_in_words(fault: Exception, words: str) -> None:
    said = in_words(fault)
    assert re.search(words, said) and said.endswith(".")
