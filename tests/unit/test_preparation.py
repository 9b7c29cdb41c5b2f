"""From rows read to rows trained on: each stage counted, nothing lost or doubled, the same rows for a seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.data.preparation import prepare
from medreason.data.rows import Row, load_rows
from medreason.data.subset import draw, split
from medreason.data.training_rows import preparation_of, rows_for
from medreason.demo import CURRICULUM
from medreason.domain.dataset import Preparation
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.folder import DataFolder


def row(number: int, thinking: int = 300, specialty: str = "") -> Row:
    return Row(f"What is the cause of finding number {number}?", "x" * thinking, "So.", specialty)


def test_by_hand_every_stage_is_counted() -> None:
    rows = [row(0), row(1, thinking=200), row(2, thinking=201), row(0), row(3), row(4), row(5)]
    made = prepare(rows, Preparation(min_thinking_chars=200, max_rows=4, eval_fraction=0.25, seed=1), faulty=2)
    counts = made.counts
    assert (counts.read, counts.faulty, counts.short_thinking, counts.equal) == (9, 2, 1, 1)
    assert (counts.nearly_equal, counts.not_drawn, counts.train, counts.held_out) == (0, 1, 3, 1)
    assert not {*made.train} & {*made.held_out}


def test_duplicates_stay_where_they_are_asked_to() -> None:
    made = prepare([row(0), row(0)], Preparation(drop_duplicates=False, eval_fraction=0))
    assert (made.counts.equal, made.counts.train) == (0, 2)


@pytest.mark.parametrize(
    ("rows", "preparation", "faulty", "sentence"),
    [
        ([], Preparation(), 3, "of 3 rows none is without fault"),
        ([row(0, 10), row(1, 20)], Preparation(), 0, "of 2 rows none has thinking of more than 200 characters"),
        ([row(0)], Preparation(), 0, "Only one row is left"),
        ([row(0), row(0)], Preparation(), 0, "Only one row is left"),
        ([row(0), row(1)], Preparation(max_rows=1), 0, "Only one row is left"),
    ],
)
def test_data_of_which_too_little_is_left_are_refused(
    rows: list[Row], preparation: Preparation, faulty: int, sentence: str
) -> None:
    with pytest.raises(MedReasonError, match=sentence):
        prepare(rows, preparation, faulty)


def test_one_row_is_enough_where_none_is_held_out() -> None:
    assert prepare([row(0)], Preparation(eval_fraction=0)).counts.train == 1


@given(
    numbers=st.lists(st.tuples(st.integers(0, 30), st.sampled_from([100, 300])), min_size=1, max_size=50),
    max_rows=st.integers(0, 40),
    share=st.floats(0, 0.5),
    faulty=st.integers(0, 3),
    seed=st.integers(0, 3),
)
def test_the_counts_add_up_and_the_split_is_a_partition(
    numbers: list[tuple[int, int]], max_rows: int, share: float, faulty: int, seed: int
) -> None:
    rows = [row(number, thinking, "abc"[number % 3]) for number, thinking in numbers]
    preparation = Preparation(max_rows=max_rows, eval_fraction=share, seed=seed)
    try:
        made = prepare(rows, preparation, faulty)
    except MedReasonError:
        assert max_rows == 1 or len({number for number, thinking in numbers if thinking > 200}) < 2
        return
    counts = made.counts
    left_out = counts.faulty + counts.short_thinking + counts.equal + counts.nearly_equal + counts.not_drawn
    assert counts.read == len(rows) + faulty == left_out + counts.train + counts.held_out
    assert (len(made.train), len(made.held_out)) == (counts.train, counts.held_out)
    both = [*made.train, *made.held_out]
    assert len({one.question for one in both}) == len(both) and {*both} <= {*rows}
    assert counts.train >= 1 and bool(counts.held_out) == (share > 0)
    assert prepare(rows, preparation, faulty) == made


@pytest.mark.parametrize("settings_", [{}, {"max_rows": 0}, {"max_rows": 8, "eval_fraction": 0.25, "seed": 7}])
def test_the_curriculum_gives_the_rows_it_gave_before_there_was_a_preparation(
    settings_: dict[str, int], folder: DataFolder
) -> None:
    config = TrainingConfig(**settings_)
    rows = load_rows(CURRICULUM)
    assert config.drop_duplicates and config.data == "curriculum"
    found = rows_for(config, folder)
    assert (found.train, found.held_out) == split(
        draw(rows, config.max_rows, config.seed), config.eval_fraction, config.seed
    )
    assert (found.name, found.rows_read, found.revision) == ("curriculum", len(rows), "")
    assert found.counts.equal == found.counts.nearly_equal == found.counts.short_thinking == 0


def test_every_setting_of_a_configuration_that_names_rows_reaches_the_preparation() -> None:
    config = TrainingConfig(
        min_thinking_chars=3, drop_duplicates=False, max_rows=4, eval_fraction=0.2, seed=5, skip_faulty_rows=True
    )
    assert preparation_of(config) == Preparation(3, 4, 0.2, 5, drop_duplicates=False, skip_faulty_rows=True)
