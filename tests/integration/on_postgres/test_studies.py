"""On PostgreSQL."""

from tests.integration.stored.test_studies import *  # noqa: F403
