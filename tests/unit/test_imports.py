"""The layers import one way."""

import ast
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

PACKAGE = CHECKOUT / "medreason"
LEVELS = {
    "domain": 0,
    "text": 1,
    "models": 1,
    "data": 2,
    "storage": 2,
    "engine": 2,
    "finetune": 2,
    "stats": 2,
    "figures": 2,
    "services": 3,
    "ui": 4,
    "web": 4,
}
ONLY = {
    "gradio": {"ui", "web"},
    "sqlalchemy": {"storage"},
    "alembic": {"storage"},
    "torch": {"models", "engine", "finetune"},
    "transformers": {"models", "engine", "finetune"},
    "peft": {"models", "engine", "finetune"},
    "trl": {"finetune"},
    "matplotlib": {"figures"},
}
# The page is mounted by the shell around it.
MAY_MEET = {("web", "ui")}


def imports_of(file: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.lineno, node.module))
    return found


def wrong_imports(file: Path, part: str) -> list[str]:
    wrong = []
    for line, name in imports_of(file):
        words = name.split(".")
        if words[0] in ONLY and part not in ONLY[words[0]]:
            wrong.append(f"{file.name}:{line} imports {name}")
        if words[0] != "medreason" or len(words) < 2 or words[1] not in LEVELS:
            continue
        other = words[1]
        upwards = LEVELS[other] > LEVELS[part]
        sideways = LEVELS[other] == LEVELS[part] and other != part and (part, other) not in MAY_MEET
        if upwards or sideways:
            wrong.append(f"{file.name}:{line}: {part} imports {name}")
    return wrong


@pytest.mark.parametrize("part", LEVELS)
def test_imports_point_one_way(part: str) -> None:
    files = sorted((PACKAGE / part).rglob("*.py"))
    assert files, f"{part} has no files"
    assert [fault for file in files for fault in wrong_imports(file, part)] == []


def test_a_wrong_import_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text("import os\nfrom medreason.services import rating\nimport torch\n")
    assert wrong_imports(file, "domain") == [
        "wrong.py:2: domain imports medreason.services",
        "wrong.py:3 imports torch",
    ]
