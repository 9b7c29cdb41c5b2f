"""Turns are taken in the order of asking, one at a time, and given on whatever happens."""

import threading

import pytest

from medreason.errors import Busy
from medreason.storage.turns import Turns


def test_turns_come_in_the_order_of_asking():
    turns, order = Turns(30), []
    with turns.turn():
        threads = []
        for number in range(8):
            thread = threading.Thread(target=lambda n=number: _take(turns, order, n))
            thread.start()
            while len(turns._waiting) <= number:  # until it stands in line
                pass
            threads.append(thread)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def _take(turns: Turns, order: list[int], number: int) -> None:
    with turns.turn():
        order.append(number)


def test_never_two_at_once():
    turns, inside, most = Turns(30), [], []

    def go() -> None:
        for _ in range(50):
            with turns.turn():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(most) == 400


def test_a_turn_that_does_not_come_is_told_and_the_next_one_works():
    turns = Turns(0.05)
    with turns.turn():
        with pytest.raises(Busy, match="^Not saved"), turns.turn():
            pass
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn():
        pass
