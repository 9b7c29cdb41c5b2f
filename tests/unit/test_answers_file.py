"""Answers are written in the order of the deck whatever ends first, and none is lost by a sudden end."""

from itertools import permutations
from pathlib import Path

import pytest

from medreason.data.answers_file import AnswersFile, ahead_of

DECK = ["a", "b", "c", "d"]


def opened(out: Path, asked=DECK, kept=None, resumed=False) -> AnswersFile:
    return AnswersFile(out, DECK, asked, kept or {}, resumed)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("order", list(permutations(DECK)))
def test_whatever_ends_first_the_file_is_in_the_order_of_the_deck_at_every_moment(tmp_path, order):
    out = tmp_path / "out"
    with opened(out) as file:
        for case_id in order:
            file.put(case_id, [f"{case_id}1", f"{case_id}2"])
            there = lines(out)
            assert there == sorted(there) and [one[0] for one in there[::2]] == DECK[: len(there) // 2]
    assert lines(out) == [f"{one}{number}" for one in DECK for number in (1, 2)]
    assert not ahead_of(out).exists()


def test_what_came_before_its_turn_is_on_disk_at_once_and_takes_its_place_at_the_end(tmp_path):
    out = tmp_path / "out"
    with opened(out) as file:
        file.put("c", ["c"])
        assert lines(out) == [] and lines(ahead_of(out)) == ["c"]
        file.put("a", ["a"])
        assert lines(out) == ["a"]
    assert lines(out) == ["a", "c"]


def test_what_waits_after_the_others_took_their_place_is_all_that_stands_beside(tmp_path):
    ahead_of(tmp_path / "out").write_text("of another time\n", encoding="utf-8")
    with opened(tmp_path / "out") as file:
        for case_id in ("b", "a", "d"):
            file.put(case_id, [case_id])
        assert ahead_of(tmp_path / "out").read_bytes() == b"d\n"  # no gap where b stood


def test_a_run_that_goes_on_fills_the_gap_in_order(tmp_path):
    out = tmp_path / "out"
    out.write_text("a\nc\nhalf a li", encoding="utf-8")
    ahead_of(out).write_text("d\n", encoding="utf-8")
    with opened(out, ["b"], {"other": ["other"], "c": ["c"], "a": ["a"], "d": ["d"]}, resumed=True) as file:
        assert lines(out) == ["other", "a"] and set(lines(ahead_of(out))) >= {"c", "d"}
        file.put("b", ["b"])
        assert lines(out) == ["other", "a", "b", "c", "d"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out"]


def test_a_new_file_is_never_written_over_one_that_is_there(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FileExistsError):
        opened(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_what_waited_beside_an_earlier_file_of_that_name_is_not_taken_for_this_one(tmp_path):
    out = tmp_path / "out"
    ahead_of(out).write_text("old\n", encoding="utf-8")
    with opened(out) as file:
        file.put("c", ["c"])
        assert lines(ahead_of(out)) == ["c"]
