"""On PostgreSQL."""

from tests.integration.stored.test_ratings import *  # noqa: F403
