"""Training runs at full count; each drill prints its figures."""

import statistics

from hypothesis.stateful import run_state_machine_as_test

from medreason.folder import DataFolder
from tests.run_drills import TOLD_WITHIN_S, attach, races
from tests.run_machine import RunMachine, machine_settings


def test_a_hundred_launch_races_have_one_winner_each(folder: DataFolder) -> None:
    found = races(folder, count=100)
    print(
        f"\n100 races of two apps: one run trained first in {found.one_trained_first}, the other after it in "
        f"{found.then_the_other} of {100 - found.same_name}, one name given once in {found.name_given_once} of "
        f"{found.same_name}"
    )
    assert found.one_trained_first == 100
    assert found.then_the_other == 100 - found.same_name
    assert found.name_given_once == found.same_name == 20


def test_fifty_runs_are_found_again_after_their_apps_were_killed(folder: DataFolder) -> None:
    told = attach(folder, count=50)
    middle, most = statistics.median(told.found_after_s), max(told.found_after_s)
    print(
        f"\n{told.found} of 50 runs found again, {middle:.2f} s after the kill (median), {most:.2f} s at most; "
        f"{told.not_begun} more had not begun by then; "
        f"{len(told.death_told_after_s)} deaths told after {max(told.death_told_after_s):.2f} s at most"
    )
    assert told.found == 50
    assert max(told.found_after_s + told.death_told_after_s) < TOLD_WITHIN_S


def test_in_any_order_one_run_trains_and_the_true_end_is_told() -> None:
    run_state_machine_as_test(RunMachine, settings=machine_settings(100, 25))
