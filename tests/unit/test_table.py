"""The evaluation table against numbers worked out by hand, and what must hold for any ratings."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.domain.instrument import AXES, Axis
from medreason.stats.table import PREFERENCE, Judgement, evaluation_table, token_lengths


def judged(case: str, rater: str, baseline: int | None, finetuned: int | None, preference: int | None = 0):
    return Judgement(case, rater, dict.fromkeys(AXES, baseline), dict.fromkeys(AXES, finetuned), preference)


def test_by_hand_one_rater_three_cases():
    table = evaluation_table([judged("a", "R1", 2, 4, 2), judged("b", "R1", 3, 3, 0), judged("c", "R1", 4, 3, -1)])
    depth, preference = table.row("D"), table.row(PREFERENCE)
    assert (depth.baseline, depth.finetuned) == (3.0, pytest.approx(10 / 3))
    assert depth.difference == pytest.approx(1 / 3)
    assert (depth.n_cases, depth.n_raters, depth.n_ratings) == (3, 1, 3)
    assert (depth.wins, depth.ties, depth.losses) == (1, 1, 1)
    assert (preference.wins, preference.ties, preference.losses) == (1, 1, 1)
    assert preference.difference == pytest.approx(1 / 3)


def test_by_hand_a_case_rated_by_many_weighs_as_one():
    # case a: R1 rates twice (mean 2 → 4), R2 once (4 → 4): baseline 3, fine-tuned 4. case b: 5 → 2.
    table = evaluation_table(
        [
            judged("a", "R1", 1, 3, 3),
            judged("a", "R1", 3, 5, 1),
            judged("a", "R2", 4, 4, -1),
            judged("b", "R1", 5, 2, -3),
        ]
    )
    row = table.row("F")
    assert (row.baseline, row.finetuned, row.difference) == (4.0, 3.0, -1.0)
    assert (row.n_cases, row.n_raters, row.n_ratings) == (2, 2, 4)
    assert table.row(PREFERENCE).difference == pytest.approx(((3 + 1) / 2 - 1) / 2 / 2 - 3 / 2)


def test_a_rating_counts_only_where_both_arms_could_be_judged():
    table = evaluation_table([judged("a", "R1", None, 5, None), judged("b", "R1", 2, 3, 1)])
    row = table.row("H")
    assert (row.baseline, row.finetuned, row.n_cases, row.n_not_judgeable) == (2.0, 3.0, 1, 1)
    assert (table.n_cases, table.row(PREFERENCE).n_cases) == (2, 1)


def test_what_cannot_be_told_is_none_with_a_reason():
    for table, reason in (
        (evaluation_table([]), "no ratings yet"),
        (evaluation_table([judged("a", "R1", None, 3, None)]), "nobody could judge both arms"),
    ):
        for row in table.rows:
            assert (row.baseline, row.finetuned, row.difference, row.reason) == (None, None, None, reason)


def test_below_six_cases_the_table_says_so():
    cases = [judged(f"case {i}", "R1", 3, 4) for i in range(6)]
    assert "estimates only" in evaluation_table(cases[:5]).notes[0]
    assert evaluation_table(cases).notes == () and evaluation_table([]).notes == ()


def test_axes_are_not_mixed_up():
    one = Judgement(
        "a", "R", {Axis.DEPTH: 1, Axis.CORRECTNESS: 2, Axis.HALLUCINATION: 3}, dict.fromkeys(AXES, 5), 3
    )
    assert [row.difference for row in evaluation_table([one]).rows] == [4, 3, 2, 3]


def test_lengths_by_hand():
    row = token_lengths("thinking", [0, 0, 3], [100, 200, 603])
    assert (row.n, row.baseline_mean, row.baseline_median) == (3, 1.0, 0.0)
    assert (row.finetuned_mean, row.finetuned_median, row.difference) == (301.0, 200.0, 300.0)
    assert token_lengths("answer", [], []).baseline_mean is None
    with pytest.raises(ValueError):
        token_lengths("answer", [1], [])


score = st.one_of(st.none(), st.integers(1, 5))
judgements = st.lists(
    st.builds(
        Judgement,
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["R1", "R2", "R3"]),
        st.fixed_dictionaries(dict.fromkeys(AXES, score)),
        st.fixed_dictionaries(dict.fromkeys(AXES, score)),
        st.one_of(st.none(), st.integers(-3, 3)),
    ),
    max_size=8,
)


def turned(value: float | None) -> float | None:
    return None if value is None else -value


@settings(max_examples=50)
@given(judgements)
def test_swapping_the_arms_flips_every_difference(given_judgements):
    swapped = [
        replace(one, baseline=one.finetuned, finetuned=one.baseline, preference=turned(one.preference))
        for one in given_judgements
    ]
    for row, other in zip(evaluation_table(given_judgements).rows, evaluation_table(swapped).rows, strict=True):
        assert other.difference == turned(row.difference)
        assert (other.wins, other.ties, other.losses) == (row.losses, row.ties, row.wins)
        assert (other.baseline, other.finetuned) == (row.finetuned, row.baseline)


@settings(max_examples=50)
@given(judgements, st.permutations(["R1", "R2", "R3"]), st.randoms())
def test_names_of_raters_and_order_of_ratings_change_nothing(given_judgements, names, random):
    renamed = [replace(one, rater=names[int(one.rater[1]) - 1]) for one in given_judgements]
    random.shuffle(renamed)
    for row, other in zip(evaluation_table(given_judgements).rows, evaluation_table(renamed).rows, strict=True):
        assert (other.n_cases, other.n_raters, other.wins, other.losses) == (
            row.n_cases, row.n_raters, row.wins, row.losses,
        )  # fmt: skip
        if row.difference is not None:
            assert other.difference == pytest.approx(row.difference, abs=1e-12)


@settings(max_examples=50)
@given(judgements)
def test_ratings_given_twice_do_not_raise_n_or_move_the_table(given_judgements):
    for row, other in zip(
        evaluation_table(given_judgements).rows, evaluation_table(given_judgements * 2).rows, strict=True
    ):
        assert other.n_cases == row.n_cases
        if row.difference is not None:
            assert other.difference == pytest.approx(row.difference, abs=1e-12)


@settings(max_examples=50)
@given(judgements)
def test_no_number_is_ever_nan(given_judgements):
    for row in evaluation_table(given_judgements).rows:
        for value in (row.baseline, row.finetuned, row.difference):
            assert value is None or math.isfinite(value)
        assert (row.difference is None) == bool(row.reason)
