"""Which conversations share a row. That they never see each other is shown with a model, elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.finetune.examples import Examples, labelled
from medreason.finetune.packing import bins, pack, packed_count


@given(st.lists(st.integers(1, 100), max_size=60))
def test_each_is_in_one_row_and_no_row_is_too_long_or_needlessly_empty(lengths: list[int]) -> None:
    rows = bins(lengths, 100)
    assert sorted(one for row in rows for one in row) == list(range(len(lengths)))
    sums = sorted(sum(lengths[one] for one in row) for row in rows)
    assert all(0 < total <= 100 for total in sums)
    assert all(one + other > 100 for one, other in zip(sums, sums[1:], strict=False))
    assert bins(lengths, 100) == rows


def test_the_fullest_row_with_room_is_taken() -> None:
    assert bins([70, 60, 30, 40, 5], 100) == [[0, 2], [1, 3], [4]]


def test_one_that_fits_no_row_is_a_fault_and_counts_as_cut_when_counted() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        bins([101], 100)
    assert packed_count([101, 500, 50, 50], 100) == 3


def test_tokens_labels_and_lengths_stay_together() -> None:
    rows = tuple(labelled([number] * 2, [number] * number, 99) for number in (1, 2, 3, 4))
    packed = pack(Examples(rows, cut=1, dropped=2), 9)
    assert (packed.cut, packed.dropped, packed.tokens, packed.taught_tokens) == (1, 2, 18, 10)
    for row in packed.rows:
        assert sum(row["seq_lengths"]) == len(row["input_ids"]) == len(row["labels"]) <= 9


def test_twenty_thousand_are_packed_in_a_moment() -> None:
    lengths = [(at * 7919) % 900 + 60 for at in range(20_000)]
    rows = bins(lengths, 8192)
    assert len(rows) <= sum(lengths) / 8192 * 1.01 + 1
