"""A script that leaves at once has written all, gives its code, and does not see Python take itself apart."""

import subprocess
import sys

from tests.conftest import CHECKOUT

SCRIPT = """
import atexit, sys
from medreason.leaving import leave_at_once
atexit.register(print, "taken apart")
sys.stdout.write("said"); sys.stderr.write("told")
leave_at_once(3)
"""


def test_all_is_written_and_the_code_is_its_own() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "said", "told")
