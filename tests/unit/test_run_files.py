"""The small files of a run: damaged ones are none, locks are the kernel's, and nothing runs in a shell."""

import ast
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medreason.domain.run import RunState
from medreason.errors import Busy
from medreason.file_lock import FileLock
from medreason.finetune import process, ticket
from medreason.finetune.run_status import read_run
from medreason.finetune.title import TITLE_FILE, read_title, write_title
from medreason.whole_file import read_json, write_json
from tests.conftest import CHECKOUT

FILES = (process.PROCESS_FILE, process.EXIT_FILE, process.STOP_FILE, ticket.TICKET_FILE, TITLE_FILE, "state.json")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
known = st.sampled_from(
    [
        "pid",
        "start_mark",
        "token",
        "started_at",
        "code",
        "save",
        "since_boot_s",
        "number",
        "title",
        "state",
        "step",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(FILES), st.one_of(st.binary(max_size=60), st.dictionaries(known, json_values, max_size=6)))
def test_a_damaged_file_never_raises_and_never_makes_a_run_alive(
    tmp_path: Path, name: str, content: bytes | dict
) -> None:
    for file in FILES:
        (tmp_path / file).unlink(missing_ok=True)
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (tmp_path / name).write_bytes(raw)
    process.read_stop(tmp_path)
    ticket.read_ticket(tmp_path)
    run = read_run(tmp_path)
    assert run.state.ended or name == "state.json"
    child = process.read_process(tmp_path)
    assert child is None or not process.alive(child)


def test_a_deep_or_large_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for content in (b"[" * 100_000, b"[]", b"null", b'{"a": "' + b"x" * 2_000_000 + b'"}', b"\xff", b""):
        path.write_bytes(content)
        assert read_json(path) is None
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1} and [one.name for one in tmp_path.iterdir()] == ["file.json"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_title(folder, "Before")
    with pytest.raises(OSError):
        write_json(folder / "absent" / "file.json", {})
    assert read_title(folder) == "Before"


def test_an_unused_number_is_never_a_stop_or_an_end(tmp_path: Path) -> None:
    run = tmp_path / "one"
    run.mkdir()
    assert process.read_stop(run) is None
    (run / process.STOP_FILE).write_text("", encoding="utf-8")
    assert process.read_stop(run) == process.StopRequest()
    child = process.Process(os.getpid(), 1.0, "token", "")
    write_json(run / process.EXIT_FILE, {"code": -9, "token": "of an earlier start"})
    assert process.read_exit_code(run, child) is None
    write_json(run / process.EXIT_FILE, {"code": -9, "token": "token"})
    assert process.read_exit_code(run, child) == -9


def test_numbers_go_up_and_the_line_is_of_the_living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticket, "LOOKED_AT_S", 0.02)
    held = []
    for name in ("c", "a", "b"):
        (tmp_path / name).mkdir()
        held.append(ticket.issue(tmp_path, tmp_path / name))
    assert [run.name for run, _ in ticket.in_line(tmp_path)] == ["c", "a", "b"]
    with pytest.raises(Busy, match="still at work on run a"):
        ticket.issue(tmp_path, tmp_path / "a")
    held[0].give_back()
    assert [run.name for run, _ in ticket.in_line(tmp_path)] == ["a", "b"]
    held.append(ticket.issue(tmp_path, tmp_path / "c"))
    assert [run.name for run, _ in ticket.in_line(tmp_path)] == ["a", "b", "c"]
    for lock in held[1:]:
        lock.give_back()
    assert ticket.in_line(tmp_path) == [] and len(ticket.tickets(tmp_path)) == 3


def test_a_lock_whose_file_was_replaced_is_another_lock(tmp_path: Path) -> None:
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.try_take()
    (tmp_path / "lock").unlink()
    assert other.try_take() and other.held
    lock.give_back()
    assert FileLock(tmp_path / "lock").taken()
    other.give_back()


def test_a_run_without_a_process_is_lost(tmp_path: Path) -> None:
    run = read_run(tmp_path)
    assert run.state is RunState.LOST and "never started" in run.message


def test_nothing_runs_in_a_shell() -> None:
    """No call passes `shell=`, and none goes to a function that has a shell of its own."""
    shells = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput")}
    found = []
    for file in [*(CHECKOUT / "medreason").rglob("*.py"), *(CHECKOUT / "training_scripts").rglob("*.py")]:
        text = file.read_text(encoding="utf-8")
        if not any(word in text for word in ("shell", *(name for _, name in shells))):
            continue
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            asks = any(word.arg == "shell" for word in node.keywords)
            called = node.func
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                asks |= (called.value.id, called.attr) in shells
            if asks:
                found.append(f"{file.name}:{node.lineno}")
    assert found == []
