"""On PostgreSQL."""

from tests.integration.stored.test_pairs_and_people import *  # noqa: F403
