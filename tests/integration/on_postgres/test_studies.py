"""On PostgreSQL."""

from tests.unit.test_studies import *  # noqa: F403
