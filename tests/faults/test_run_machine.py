"""Runs started, stopped, killed, resumed and deleted in any order: one trains, and its true end is told."""

from hypothesis.stateful import run_state_machine_as_test

from tests.run_machine import RunMachine, machine_settings


def test_in_any_order_one_run_trains_and_the_true_end_is_told() -> None:
    run_state_machine_as_test(RunMachine, settings=machine_settings(12, 15, derandomize=True))
