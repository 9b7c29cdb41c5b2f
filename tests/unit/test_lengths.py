"""Lengths in tokens against numbers worked out by hand, and what they say of a longest row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.dataset import CutOff, Lengths
from medreason.finetune.examples import tokenize
from medreason.text.lengths import (
    cut_off,
    cut_off_sentence,
    histogram,
    lengths_of,
    proposal_sentence,
    propose_max_length,
    quantile,
    quantiles,
    table_lines,
    token_count,
)
from tests.word_tokenizer import WordTokenizer

ROWS = [("Why fever?", "It is hot.", "Infection."), ("Why?", "Because of that.", "So it is.")]


def measured(*whole: int) -> Lengths:
    """Rows of which 10 tokens are the prompt and 20 the answer, the end of the turn not counted."""
    count = len(whole)
    return Lengths("x", whole, (4,) * count, (5,) * count, (20,) * count, (10,) * count)


def test_by_hand_the_whole_row_is_prompt_and_reply_through_the_template() -> None:
    lengths = lengths_of(WordTokenizer(), "words", ROWS)
    # "Why fever?" 4 · "It is hot." 6 · "Infection." 2
    assert (lengths.question[0], lengths.thinking[0], lengths.answer[0]) == (4, 6, 2)
    # <|im_start|> user \n · question · <|im_end|> \n <|im_start|> assistant \n
    assert lengths.prompt[0] == 3 + 4 + 5
    # <think> \n · thinking · \n </think> \n\n · answer · <|im_end|>
    assert lengths.whole[0] == 12 + 2 + 6 + 3 + 2 + 1
    assert lengths.tokenizer == "words" and len(lengths.whole) == 2


def test_the_whole_row_has_as_many_tokens_as_the_trainer_makes_of_it() -> None:
    tokenizer = WordTokenizer()
    assert lengths_of(tokenizer, "words", ROWS).whole == tuple(
        len(row["input_ids"]) for row in tokenize(tokenizer, ROWS, 10_000).rows
    )


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_size_of_a_batch_changes_nothing(batch: int) -> None:
    rows = ROWS * 3 + ROWS[:1]
    heard: list[float] = []
    lengths = lengths_of(WordTokenizer(), "words", rows, heard.append, batch)
    assert lengths == lengths_of(WordTokenizer(), "words", rows)
    assert heard == sorted(heard) and heard[-1] == 1.0


def test_no_text_has_no_tokens() -> None:
    assert token_count(WordTokenizer(), "") == 0
    assert lengths_of(WordTokenizer(), "words", []).whole == ()


def test_quantiles_by_hand() -> None:
    found = quantiles([4, 1, 3, 2])
    assert (found.median, found.mean, found.largest) == (2.5, 2.5, 4)
    assert found.p95 == pytest.approx(3.85)
    assert quantiles([7]) == quantiles([7, 7, 7])


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values: list[int], share: float) -> None:
    import numpy

    assert quantile(values, share) == pytest.approx(float(numpy.quantile(values, share)))


def test_cut_off_by_hand() -> None:
    # Rows of 100 and 40 tokens; their answers begin after 79 and 19 tokens, their replies after 10.
    lengths = measured(100, 40)
    assert cut_off(lengths, 100) == CutOff(100, 0, 0, 0)
    assert cut_off(lengths, 99) == CutOff(99, 0.5, 0, 0)
    assert cut_off(lengths, 80) == CutOff(80, 0.5, 0, 0)
    assert cut_off(lengths, 79) == CutOff(79, 0.5, 0.5, 0)
    assert cut_off(lengths, 20) == CutOff(20, 1, 0.5, 0)
    assert cut_off(lengths, 19) == CutOff(19, 1, 1, 0)
    assert cut_off(lengths, 11) == CutOff(11, 1, 1, 0)
    assert cut_off(lengths, 10) == CutOff(10, 1, 1, 1)
    assert cut_off(Lengths("x", (), (), (), ()), 10) == CutOff(10, 0, 0, 0)


def test_lengths_measured_without_the_prompt_go_by_the_question() -> None:
    assert cut_off(Lengths("x", (50,), (12,), (10,), (10,)), 12).nothing_left == 1
    assert cut_off(Lengths("x", (50,), (12,), (10,), (10,)), 13).nothing_left == 0


@given(st.lists(st.integers(32, 5000), min_size=1, max_size=40), st.integers(1, 5000))
def test_each_share_of_a_cut_off_includes_the_next(whole: list[int], at: int) -> None:
    cut = cut_off(measured(*whole), at)
    assert 0 <= cut.nothing_left <= cut.answer_lost <= cut.answer_cut <= 1
    longer = cut_off(measured(*whole), at + 50)
    assert longer.answer_cut <= cut.answer_cut and longer.answer_lost <= cut.answer_lost


@pytest.mark.parametrize(
    ("whole", "proposed"),
    [((1,), 128), ((128,), 128), ((129,), 256), ((100,) * 999 + (9000,), 128), ((100,) * 99 + (9000,), 4608)],
)
def test_the_proposed_length_is_the_smallest_multiple_of_128_that_keeps_most(
    whole: tuple[int, ...], proposed: int
) -> None:
    assert propose_max_length(measured(*whole)) == proposed


@given(st.lists(st.integers(32, 30_000), min_size=1, max_size=300))
def test_the_proposed_length_keeps_all_but_one_row_in_two_hundred(whole: list[int]) -> None:
    lengths = measured(*whole)
    proposed = propose_max_length(lengths)
    assert proposed % 128 == 0 and proposed <= max(whole) + 128
    assert cut_off(lengths, proposed).answer_cut <= 0.005 + 1 / len(whole)


@given(st.lists(st.integers(0, 5000), max_size=80), st.integers(1, 60))
def test_a_histogram_counts_every_value_once(values: list[int], bins: int) -> None:
    bars = histogram(values, bins)
    assert sum(bar.count for bar in bars) == len(values) and len(bars) <= bins
    for bar in bars:
        assert bar.count == sum(bar.start <= value < bar.end for value in values)
    assert all(one.end == other.start for one, other in zip(bars, bars[1:], strict=False))


def test_lengths_are_told_in_words() -> None:
    assert cut_off_sentence(CutOff(2048, 0, 0, 0)) == "At 2,048 tokens every row is whole."
    assert cut_off_sentence(CutOff(512, 0.5, 0.25, 0.031)) == (
        "At 512 tokens 50 % of the rows lose part of their answer, 25 % lose all of it, "
        "and 3.1 % have nothing left to learn."
    )
    assert "less than 0.1 %" in cut_off_sentence(CutOff(512, 0.0001, 0, 0))
    assert proposal_sentence(measured(*[100] * 399, 9000)) == (
        "Proposed longest row: 128 tokens, the smallest multiple of 128 that keeps at least 99.5 % of the rows "
        "whole (it keeps 99.8 %)."
    )
    lines = list(table_lines(measured(1000, 2000)))
    assert lines[1].split() == ["whole", "1,500", "1,500", "1,950", "2,000"]
    assert [line.split()[0] for line in lines] == ["tokens", "whole", "question", "thinking", "answer"]
