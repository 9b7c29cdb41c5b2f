"""Requests come one at a time in the order they came, and one may leave the line."""

import threading
import time

from medreason.engine.line import Line


def wait_until(true) -> None:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert true()


def test_turns_come_in_order_and_one_at_a_time():
    line, order, inside = Line(), [], []

    def go(number: int) -> None:
        with line.turn() as reached:
            assert reached
            inside.append(number)
            assert len(inside) == 1
            order.append(number)
            inside.remove(number)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(6)]
    with line.turn():
        for place, thread in enumerate(threads, start=2):
            thread.start()
            wait_until(lambda place=place: len(line._waiting) == place)
    for thread in threads:
        thread.join(5)
    assert order == list(range(6))


def test_who_cancels_while_waiting_leaves_the_line():
    line, told = Line(), []
    cancel = threading.Event()

    def go() -> None:
        with line.turn(cancel.is_set) as reached:
            told.append(reached)

    with line.turn():
        thread = threading.Thread(target=go)
        thread.start()
        wait_until(lambda: len(line._waiting) == 2)
        cancel.set()
        thread.join(5)
        assert told == [False] and len(line._waiting) == 1
    with line.turn() as reached:
        assert reached


def test_a_fault_within_a_turn_frees_the_line():
    line = Line()
    try:
        with line.turn():
            raise ValueError
    except ValueError:
        pass
    with line.turn() as reached:
        assert reached
