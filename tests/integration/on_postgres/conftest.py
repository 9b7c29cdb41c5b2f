"""On PostgreSQL, what `stored` tests on SQLite: a module here takes the tests of its namesake there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def place(postgres_url: str) -> Iterator[str]:
    """A fresh database instead of a file."""
    yield postgres_url


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What asks for no store of either kind was tested already."""
    again = [one for one in items if HERE in one.path.parents and "place" not in getattr(one, "fixturenames", ())]
    if again:
        config.hook.pytest_deselected(items=again)
        items[:] = [one for one in items if one not in again]
