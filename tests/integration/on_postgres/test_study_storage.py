"""On PostgreSQL."""

from tests.unit.test_study_storage import *  # noqa: F403
