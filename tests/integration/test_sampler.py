"""Draws follow the settings of each row, and are the same whoever shares the batch."""

import math

import pytest
import torch

from medreason.domain.sampling import Sampling
from medreason.engine.sampler import CANDIDATES, EVERY, UNUSABLE, Settings, draw, gumbel, reach

VOCABULARY = 5000


def settings(*rows: Sampling, count: int = 0) -> Settings:
    made = Settings(len(rows), torch.device("cpu"))
    for slot, row in enumerate(rows):
        made.put(slot, row)
    made.count += count
    return made


def drawn(logits: torch.Tensor, *rows: Sampling, count: int = 0) -> list[int]:
    return draw(logits, settings(*rows, count=count), reach(rows)).tolist()


def many(logits: torch.Tensor, sampling: Sampling, times: int) -> list[int]:
    """Draws of one row at one place after the other."""
    rows = Settings(times, torch.device("cpu"))
    for slot in range(times):
        rows.put(slot, sampling)
    rows.count += torch.arange(times)
    return draw(logits.expand(times, -1), rows, reach([sampling])).tolist()


def test_the_noise_is_even_and_does_not_hang_together():
    tokens, places = torch.arange(400)[None], torch.arange(500)[:, None]
    even = torch.exp(-torch.exp(-gumbel(torch.tensor(7), places, tokens)))
    assert torch.isfinite(even).all() and 0 < float(even.min()) and float(even.max()) < 1
    counted = torch.histc(even, bins=50, min=0, max=1)
    expected = even.numel() / 50
    assert float(((counted - expected) ** 2 / expected).sum()) < 90  # 49 degrees of freedom, p about 0.0003
    for other in (even[1:] * even[:-1], even[:, 1:] * even[:, :-1]):
        assert abs(float(other.mean()) - 0.25) < 0.003
    assert not torch.equal(gumbel(torch.tensor(8), places, tokens), gumbel(torch.tensor(7), places, tokens))


def test_shares_of_the_draws_are_those_of_the_softmax():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    shares = torch.softmax(logits[0] / 0.8, dim=-1)
    found = many(logits, Sampling(temperature=0.8, top_k=0, top_p=1, seed=3), 20_000)
    for token, share in enumerate(shares.tolist()):
        error = math.sqrt(share * (1 - share) / 20_000)
        assert abs(found.count(token) / 20_000 - share) < 4.5 * error


def test_filters_leave_what_they_should():
    shares = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    logits = shares.log()[None]
    for kept, given in (
        ({0, 1, 2}, {"top_k": 3, "top_p": 1.0}),
        ({0, 1}, {"top_k": 0, "top_p": 0.5}),
        ({0}, {"top_k": 0, "top_p": 0.4}),
        ({0, 1, 2, 3}, {"top_k": 4, "top_p": 1.0, "min_p": 0.1}),
        ({0, 1}, {"top_k": 0, "top_p": 1.0, "min_p": 0.5}),
        ({0, 1, 2, 3, 4}, {"top_k": 0, "top_p": 1.0}),
        ({0, 1}, {"top_k": 3, "top_p": 0.8}),  # of what top-k left, 0.47 and 0.35
    ):
        found = many(logits, Sampling(temperature=1, **given), 600)
        assert set(found) == kept, given


def test_filters_are_those_of_transformers():
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(1, 60, generator=torch.Generator().manual_seed(1)) * 2
    sampling = Sampling(temperature=0.7, top_k=15, top_p=0.9, min_p=0.05)
    expected = logits
    for warper in (
        TemperatureLogitsWarper(0.7),
        TopKLogitsWarper(15),
        TopPLogitsWarper(0.9),
        MinPLogitsWarper(0.05),
    ):
        expected = warper(torch.empty(1, 0, dtype=torch.long), expected)
    allowed = set(torch.isfinite(expected[0]).nonzero()[:, 0].tolist())
    assert set(many(logits, sampling, 4000)) == allowed


def test_a_row_draws_the_same_whoever_shares_the_batch():
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(6, VOCABULARY, generator=generator).bfloat16().float() * 3  # with many equals
    rows = [
        Sampling(temperature=0.6, top_k=20, seed=1),
        Sampling(temperature=1.2, top_k=0, top_p=0.9, seed=1),
        Sampling(temperature=0),
        Sampling(temperature=1, top_k=900, seed=9),
        Sampling(temperature=1.5, top_k=64, top_p=1, seed=2),
        Sampling(temperature=0.8, top_k=5, min_p=0.2, seed=2**31 - 1),
    ]
    for count in range(20):
        together = drawn(logits, *rows, count=count)
        alone = [drawn(logits[place : place + 1], row, count=count)[0] for place, row in enumerate(rows)]
        assert together == alone


def test_equal_rows_with_one_seed_draw_alike_and_with_another_otherwise():
    logits = torch.zeros(1, VOCABULARY)
    warm = Sampling(temperature=1, top_k=0, top_p=1, seed=4)
    assert drawn(logits.expand(2, -1), warm, warm)[0] == drawn(logits, warm)[0]
    other = Sampling(temperature=1, top_k=0, top_p=1, seed=5)
    assert many(logits, warm, 8) != many(logits, other, 8)


def test_greedy_rows_take_the_likeliest_and_the_first_of_equals():
    logits = torch.zeros(2, VOCABULARY)
    logits[:, [70, 30]] = 5.0
    assert drawn(logits, Sampling(temperature=0), Sampling(temperature=0, top_k=3)) == [30, 30]
    assert drawn(logits, Sampling(temperature=0), Sampling(temperature=1, top_k=1))[0] == 30


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_without_numbers_is_told_and_spares_the_others(broken, temperature):
    logits = torch.randn(2, VOCABULARY, generator=torch.Generator().manual_seed(2))
    sampling = Sampling(temperature=temperature)
    whole = drawn(logits, sampling, sampling)
    logits[0, 17] = broken
    assert drawn(logits, sampling, sampling) == [UNUSABLE, whole[1]]
    assert drawn(torch.full((1, 9), -math.inf), sampling) == [UNUSABLE]


def test_no_more_is_put_in_order_than_the_rows_need():
    cold, few, many, every = (Sampling(temperature=t, top_k=k) for t, k in ((0, 0), (1, 20), (1, 1000), (1, 0)))
    assert reach([cold]) == reach([cold, cold]) == 0
    assert reach([cold, few]) == CANDIDATES[0] and reach([few, many]) == CANDIDATES[1]
    assert reach([few, every]) == EVERY
