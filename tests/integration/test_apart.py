"""What counts as rounding follows what was measured, within bounds."""

import pytest
import torch

from medreason.engine.apart import LEAST, MOST, TIMES, Apart, allowed, apart, share_of_adapter, within


def test_distances_are_shares_of_range_and_spread():
    expected = torch.tensor([[0.0, 4.0, 2.0, 2.0]])
    found = expected + torch.tensor([[0.0, 0.0, 1.0, -1.0]])
    assert apart(found, expected).largest == pytest.approx(0.25)
    assert apart(found, expected).typical == pytest.approx(0.5**0.5 / float(expected.std()))


@pytest.mark.parametrize(
    "measured,limit",
    [(0.0, LEAST[torch.bfloat16]), (0.05, TIMES * 0.05), (5.0, MOST), (float("nan"), LEAST[torch.bfloat16])],
)
def test_a_multiple_of_what_was_measured_is_allowed_between_two_bounds(measured, limit):
    assert allowed(Apart(measured, measured), torch.bfloat16) == (limit, limit)


def test_what_is_no_number_is_never_within():
    assert within(Apart(0.01, 0.01), Apart(0.02, 0.02))
    assert not within(Apart(float("nan"), 0.0), Apart(0.2, 0.2))
    assert not within(Apart(0.0, float("nan")), Apart(0.2, 0.2))


def test_the_share_of_the_adapter_is_seen_through_rounding():
    torch.manual_seed(1)
    base = torch.randn(9, 5000)
    adapted = base + 0.05 * torch.randn(9, 5000)
    noise = 0.03 * torch.randn(9, 5000)
    rounding = Apart(0.03, 0.03)
    assert share_of_adapter(base + noise, base, adapted, rounding) == pytest.approx(0, abs=0.05)
    assert share_of_adapter(adapted + noise, base, adapted, rounding) == pytest.approx(1, abs=0.05)
    assert share_of_adapter(base, base, adapted, Apart(0.1, 0.1)) is None
