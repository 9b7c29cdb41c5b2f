"""The end of a log is shown quickly and in little memory, whatever was written into it."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from medreason.finetune.progress import LOG_FILE, LOG_LINE_CHARS, LOG_TAIL_BYTES, LOG_TAIL_LINES, read_log_tail
from tests.runs import within

GIB, MB = 1024**3, 10**6
WITHIN_S = 1.0
MOST_MEMORY = 2 * MB


def gigabyte(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(GIB)  # a file with a hole: its size, and no time to write it
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast line\n")


def long_line(path: Path) -> None:
    path.write_bytes(b"x" * 10 * MB + b"\nlast line\n")


def endless_line(path: Path) -> None:
    path.write_bytes(b"x" * 10 * MB + b"last line")


def bars(path: Path) -> None:
    path.write_bytes(b"".join(b"\r%3d%%|####    |" % (n % 100) for n in range(800_000)) + b"\rlast line\n")


def colours(path: Path) -> None:
    path.write_bytes(b"\x1b[1;31mred\x1b[0m \x1b[2K\x1b[?25l" * 300_000 + b"\n\x1b[32mlast line\x1b[0m\n")


def bytes_of_no_text(path: Path) -> None:
    path.write_bytes(os.urandom(10 * MB).replace(b"\n", b"") + b"\n\xff\xfe\xc3\nlast line\n")


def many_lines(path: Path) -> None:
    path.write_bytes(b"<script>alert(1)</script> \xe2\x80\xae line\n" * 300_000 + b"last line\n")


@pytest.mark.parametrize("write", [gigabyte, long_line, endless_line, bars, colours, bytes_of_no_text, many_lines])
def test_the_tail_of_any_log_is_quick_small_and_plain(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / LOG_FILE)
    tracemalloc.start()
    try:
        began = time.monotonic()
        tail = read_log_tail(tmp_path)
        took = time.monotonic() - began
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took < WITHIN_S and peak < MOST_MEMORY and len(tail) <= LOG_TAIL_BYTES
    lines = tail.splitlines()
    assert len(lines) <= LOG_TAIL_LINES and max(map(len, lines)) <= LOG_LINE_CHARS
    assert all(sign.isprintable() or sign == "\t" for line in lines for sign in line)
    assert lines[-1].endswith("last line")


def test_a_log_that_is_rotated_while_it_is_read_never_fails(tmp_path: Path) -> None:
    log, stop = tmp_path / LOG_FILE, threading.Event()
    content = b"line\n" * 20_000

    def rotate() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            if turn % 3 == 0:
                log.write_bytes(content)
            elif turn % 3 == 1 and log.exists():
                os.truncate(log, 10)
            elif log.exists():
                log.rename(tmp_path / "train.log.1")

    thread = threading.Thread(target=rotate)
    thread.start()
    try:
        seen: set[bool] = set()

        def look() -> bool:
            tail = read_log_tail(tmp_path)
            assert set(tail.splitlines()) <= {"line", "li", "l", "lin", "ine", "ne", "e"}
            seen.add(bool(tail))
            return seen == {True, False}

        within(20, look)
        for _ in range(300):
            look()
    finally:
        stop.set()
        thread.join()


def test_a_log_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    assert read_log_tail(tmp_path) == ""
    (tmp_path / LOG_FILE).mkdir()
    assert read_log_tail(tmp_path) == ""
