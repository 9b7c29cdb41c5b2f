"""Faults of a store are met on both kinds of it."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A fresh store of either kind, as `Database.open` takes it."""
    if request.param == "sqlite":
        return tmp_path / "medreason.db"
    return request.getfixturevalue("postgres_url")
