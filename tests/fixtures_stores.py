"""Fixtures of both kinds of store: a fresh SQLite file, and a fresh PostgreSQL database."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from medreason.storage.database import Database
from tests.postgres import NoPostgres, Server, running


@pytest.fixture(scope="session")
def postgres_or_reason() -> Iterator[Server | str]:
    """The session's server, or why there is none."""
    try:
        with running() as server:
            yield server
    except NoPostgres as fault:
        yield str(fault)


@pytest.fixture
def postgres(postgres_or_reason: Server | str) -> Server:
    if isinstance(postgres_or_reason, str):
        pytest.skip(postgres_or_reason)
    return postgres_or_reason


@functools.cache
def _migrated(server: Server) -> str:
    """A database with all tables, from which others are copied."""
    name = server.make()
    Database.open(server.url(name)).close()
    return name


@pytest.fixture
def postgres_url(postgres: Server) -> Iterator[str]:
    """The url of a fresh database with all tables."""
    name = postgres.make(_migrated(postgres))
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def place(tmp_path: Path) -> Path | str:
    """A fresh store, as `Database.open` takes it: a file here, a database in tests/integration/on_postgres."""
    return tmp_path / "medreason.db"
