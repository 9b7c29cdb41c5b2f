"""On PostgreSQL."""

from tests.integration.stored.test_sessions import *  # noqa: F403
