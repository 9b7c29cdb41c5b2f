"""On PostgreSQL."""

from tests.unit.test_sessions import *  # noqa: F403
