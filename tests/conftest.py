"""Fixtures that every test may use: a fresh data folder, nothing shared between tests."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from medreason.folder import DataFolder

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

# How many examples a property is tried on: few in every run, many in `make drill`.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile("quick")

pytest_plugins = ["tests.fixtures_models", "tests.fixtures_stores"]

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n 2`: the tests of a file stay together, as its fixtures do, and all browser tests are one worker's,
    since they share one app and one Chromium. What takes longest begins first."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if nodeid.startswith("tests/browser/") else nodeid.split("::", 1)[0]

    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in a browser, or of a promise in seconds, gets one more try: two busy cores can make it miss what a
    person would see. The end of the run lists each that needed it ("RERUN"), to be looked into like a failure."""
    tried_twice = (CHECKOUT / "tests" / "browser", CHECKOUT / "tests" / "faults")
    for item in items:
        if any(folder in item.path.parents for folder in tried_twice) and not item.get_closest_marker("drill"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.prepare()
    return made
