"""Rating at full count: two hundred kills, fifty raters over several cases, a panel of twelve with sixty cases."""

import time

import pytest

from medreason.domain.items import Instrument
from tests.rating_drills import kill_writers, rate_at_once, simulate_panel


def test_two_hundred_kills_lose_and_double_nothing(tmp_path):
    began = time.monotonic()
    acknowledged, kept = kill_writers(tmp_path / "medreason.db", cycles=200)
    took = time.monotonic() - began
    print(f"200 kills: {acknowledged} acknowledged, 0 lost, 0 doubled, {kept} stored, {took:.0f} s")


def test_fifty_raters_at_once_over_several_cases(tmp_path):
    began = time.monotonic()
    rate_at_once(tmp_path / "medreason.db", people=50, cases=4)
    print(f"50 raters x 6 showings, each act twice: {time.monotonic() - began:.0f} s")


@pytest.mark.parametrize("instrument", list(Instrument))
def test_a_panel_of_twelve_rates_sixty_cases(tmp_path, instrument):
    began = time.monotonic()
    told = simulate_panel(tmp_path / "medreason.db", 12, 60, instrument)
    assert told["study"] == 180 and 0.45 <= told["left"] <= 0.55
    print(f"12 x 60, {instrument}: {told}, {time.monotonic() - began:.0f} s")
