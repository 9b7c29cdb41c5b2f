"""Drills do in full what tests/faults does a few times: minutes long, and run only with `pytest -m drill`."""

from pathlib import Path

import pytest


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.drill)
            if "drill" not in config.getoption("markexpr"):
                item.add_marker(pytest.mark.skip(reason="a drill: ask for it with -m drill"))
