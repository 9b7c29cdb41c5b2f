"""Every command explains itself."""

import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT

SCRIPTS = sorted(path.name for path in (CHECKOUT / "training_scripts").glob("*.py"))


@pytest.mark.parametrize("script", ["app.py", *(f"training_scripts/{name}" for name in SCRIPTS)])
def test_every_command_explains_itself(script: str) -> None:
    ran = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, cwd=CHECKOUT, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "usage" in ran.stdout.lower()
    assert "Traceback" not in ran.stderr
