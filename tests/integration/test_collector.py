"""A process that serves leaves what stays out of the collector's looks, and its lateness can be told."""

import asyncio
import subprocess
import sys
import threading
import time

from medreason.bench.lateness import Lateness, read

SETTLED = """
import gc
from medreason.collector import settle
kept = [[number] for number in range(50_000)]
before = len(gc.get_objects())
settle()
print(before > 50_000, len(gc.get_objects()) < 1_000, gc.get_threshold()[0] > 700)
"""


def test_what_is_there_once_the_pages_answer_is_not_looked_through_again() -> None:
    said = subprocess.run([sys.executable, "-c", SETTLED], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "True", "True"]


def test_a_loop_that_is_held_up_ticks_late_and_writes_it_down(tmp_path) -> None:
    async def held_up() -> None:
        watching = asyncio.create_task(Lateness(tmp_path / "late.txt").in_loop())
        await asyncio.sleep(0.1)
        time.sleep(0.5)
        await asyncio.sleep(1)
        watching.cancel()

    asyncio.run(held_up())
    assert read(tmp_path / "late.txt")[0] > 0.4
    assert read(tmp_path / "none.txt") == []


def test_a_thread_ticks_until_it_is_told_to_end() -> None:
    ended, here = threading.Event(), Lateness()
    thread = threading.Thread(target=here.in_thread, args=(ended,))
    thread.start()
    time.sleep(1.2)
    ended.set()
    thread.join(5)
    assert not thread.is_alive() and len(here.seconds) == 1 and 0 <= here.seconds[0] < 1
