"""What a page asks of the store is waited for in a thread: the event loop, which serves everybody, never does."""

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from medreason.storage.database import Database
from tests.shell import call, config_of, event, outcome, shell


@pytest.fixture
def on_the_loop(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From where the store was asked in a thread that runs an event loop."""
    asked: list[str] = []

    def watched(work: Any) -> Any:
        @contextmanager
        def opened(database: Database) -> Iterator[Any]:
            try:
                asyncio.get_running_loop()
                asked.append("".join(traceback.format_stack(limit=12)))
            except RuntimeError:
                pass
            with work(database) as connection:
                yield connection

        return opened

    for name in ("read", "write"):
        monkeypatch.setattr(Database, name, watched(getattr(Database, name)))
    return asked


@pytest.mark.parametrize("name", ["ann", "lea", "rae"])
def test_no_page_has_the_event_loop_wait_for_the_store(name: str, tmp_path, on_the_loop: list[str]) -> None:
    """Opened, asked a question, and read to its end."""
    with shell(tmp_path) as site:
        on_the_loop.clear()  # what was read before anybody could wait
        browser = site.logged_in(name)
        config = config_of(browser)
        values = {one["id"]: one["props"].get("value") for one in config["components"]}
        loads = [one for one in config["dependencies"] if any(how == "load" for _, how in one["targets"])]
        assert loads
        for one in [*loads, event(config, "answer")]:
            data = [values[number] for number in one["inputs"]]
            if one["api_name"] == "answer":
                data[:2] = "Is this pneumonia?", ""
            session = f"{name}-{one['id']}"
            assert call(browser, session, one["id"], data).status_code == 200
            said = outcome(browser, session)
            assert said[-2]["msg"] == "process_completed" and said[-2]["success"], said[-2]
        browser.post("/logout", headers={"origin": "http://127.0.0.1:7860"})
    assert on_the_loop == []
