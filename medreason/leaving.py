"""The end of a script that has computed with torch."""

import os
import sys
from contextlib import suppress
from typing import NoReturn


def leave_at_once(code: int) -> NoReturn:
    """End this process with `code` and all that was written. Threads within torch that still live when Python
    takes itself apart have ended a script that had done its work with "terminate called" and another code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
