"""What the README says can be done exists: commands, targets, options, files."""

import re

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
    commands = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for line in README.splitlines():
        if "app.py" in line or "ARGS=" in line:
            named = re.search(r"app\.py ([a-z-]+)", line)
            serve = commands[named[1] if named and named[1] in commands else "serve"].format_help()  # type: ignore[index]
            for option in re.findall(r"(?<!\S)(--[a-z-]+)|\"(--[a-z-]+)", line):
                name = option[0] or option[1]
                assert name in serve or name == "--role", line


def test_every_file_in_the_readme_exists() -> None:
    for path in re.findall(r"`((?:training_scripts|medreason|tests|docs)/[\w./-]+)`", README):
        assert (CHECKOUT / path).exists(), path
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (CHECKOUT / path).exists(), path


def test_every_script_is_named_in_the_readme() -> None:
    assert [name for name in SCRIPTS if name not in README] == []


def test_dependencies_are_pinned() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-ray.txt"):
        for line in (CHECKOUT / name).read_text(encoding="utf-8").splitlines():
            assert (
                not line.strip()
                or line.startswith(("#", "-r "))
                or re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", line)
            )
