"""A step uses as many threads as are quickest, and no more than are worth it."""

import pytest
import torch

from medreason.engine.threads import Threads


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    "seconds,chosen",
    [
        ({1: 3, 2: 1, 4: 1}, 2),
        ({1: 1, 2: 1, 4: 2}, 1),
        ({1: 9, 2: 4, 4: 1}, 4),
        ({1: 1, 2: 0.96, 4: 0.96}, 1),  # not worth it
    ],
)
def test_the_quickest_is_chosen(four_threads, seconds, chosen):
    """By a clock that stands still but for the work."""
    threads, now, runs = Threads(), [0.0], []

    def work() -> None:
        count = torch.get_num_threads()
        runs.append(count)
        held_up = 20 if runs.count(count) == 2 else 0  # the machine does something else
        now[0] += seconds[count] + held_up

    threads.tune(work, lambda: now[0])
    assert threads.count == chosen
    with threads.used():
        assert torch.get_num_threads() == chosen
    assert torch.get_num_threads() == 4
