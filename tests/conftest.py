"""Fixtures that every test may use: a fresh data folder, nothing shared between tests."""

import os
from pathlib import Path

import pytest

from medreason.folder import DataFolder

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

pytest_plugins = ["tests.fixtures_models"]

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.prepare()
    return made
