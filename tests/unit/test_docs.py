"""What the README says can be done exists: commands, targets, options, files."""

import re
import subprocess
import sys

import pytest

from medreason.cli import parser
from tests.conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
SCRIPTS = sorted(path.name for path in (CHECKOUT / "training_scripts").glob("*.py"))


def test_every_make_target_in_the_readme_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", README))
    assert {"run", "test", "lint"} <= named
    assert named <= set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.M))


def test_every_option_of_the_app_in_the_readme_exists() -> None:
    serve = parser()._subparsers._group_actions[0].choices["serve"].format_help()  # type: ignore[union-attr,index]
    for line in README.splitlines():
        if "app.py" in line or "ARGS=" in line:
            for option in re.findall(r"(?<!\S)(--[a-z-]+)|\"(--[a-z-]+)", line):
                name = option[0] or option[1]
                assert name in serve or name == "--role", line


def test_every_file_in_the_readme_exists() -> None:
    for path in re.findall(r"`((?:training_scripts|medreason|tests|docs)/[\w./-]+)`", README):
        assert (CHECKOUT / path).exists(), path
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (CHECKOUT / path).exists(), path


@pytest.mark.parametrize("script", ["app.py", *(f"training_scripts/{name}" for name in SCRIPTS)])
def test_every_command_explains_itself(script: str) -> None:
    ran = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, cwd=CHECKOUT, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "usage" in ran.stdout.lower()
    assert "Traceback" not in ran.stderr


def test_every_script_is_named_in_the_readme() -> None:
    assert [name for name in SCRIPTS if name not in README] == []


def test_dependencies_are_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (CHECKOUT / name).read_text(encoding="utf-8").splitlines():
            assert not line.strip() or line.startswith(("#", "-r ")) or re.fullmatch(r"[\w.-]+==[\w.]+", line)
