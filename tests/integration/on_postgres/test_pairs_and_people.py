"""On PostgreSQL."""

from tests.unit.test_pairs_and_people import *  # noqa: F403
