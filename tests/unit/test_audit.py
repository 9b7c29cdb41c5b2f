"""The check for known weaknesses fails on what it could not look up."""

import re

from tests.conftest import CHECKOUT


def test_a_package_that_cannot_be_looked_up_fails_the_audit() -> None:
    """pip-audit passes over what it finds no data of, unless told not to; nothing may swallow its exit code."""
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^audit:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    last = recipe[1].splitlines()[-1]
    assert "pip-audit --strict" in last and not last.startswith("\t-")
    assert not re.search(r"\|\||;|\btrue\b|--ignore-vuln|--dry-run", last.split("$$(")[0])
