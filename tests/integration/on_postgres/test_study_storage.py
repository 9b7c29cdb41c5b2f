"""On PostgreSQL."""

from tests.integration.stored.test_study_storage import *  # noqa: F403
