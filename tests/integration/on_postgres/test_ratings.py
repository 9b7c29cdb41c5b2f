"""On PostgreSQL."""

from tests.unit.test_ratings import *  # noqa: F403
