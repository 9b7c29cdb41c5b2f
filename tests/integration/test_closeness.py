"""The measure by which a changed model is compared with what it was made from."""

import math

import pytest

from medreason.models.closeness import PROMPTS, closeness


def test_equal_logits_are_as_close_as_can_be() -> None:
    import torch

    logits = [torch.randn(5, 11), torch.randn(3, 11)]
    found = closeness(logits, [one.clone() for one in logits])
    assert (found.positions, found.largest, found.agreement, found.divergence) == (8, 0.0, 1.0, 0.0)


def test_the_divergence_is_that_of_kullback_and_leibler() -> None:
    import torch

    first = torch.tensor([[0.5, 0.5]]).log()
    second = torch.tensor([[0.9, 0.1]]).log()
    found = closeness([first], [second])
    assert found.divergence == pytest.approx(0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1))
    assert found.largest == pytest.approx(math.log(5))


def test_a_shift_of_all_logits_changes_no_probability() -> None:
    import torch

    logits = torch.randn(4, 7)
    found = closeness([logits], [logits + 3])
    assert found.largest == pytest.approx(3) and found.agreement == 1.0 and found.divergence < 1e-6


def test_numbers_that_are_none_are_infinitely_far() -> None:
    import torch

    broken = torch.full((2, 3), float("nan"))
    found = closeness([torch.zeros(2, 3)], [broken])
    assert math.isinf(found.divergence) and found.agreement == 0.0
    assert "inf" in str(found)


def test_the_prompts_are_several_and_one_of_them_thinks() -> None:
    assert len(PROMPTS) >= 3 and any("<think>" in prompt for prompt in PROMPTS)
