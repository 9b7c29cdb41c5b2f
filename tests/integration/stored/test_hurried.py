from pathlib import Path

import pytest

from medreason.services.hurried import count_words, hurried
from tests.studies import NAME, rate, with_study


@pytest.mark.parametrize(
    ("words", "active_ms", "found"),
    [
        (600, 60_000, False),
        (601, 60_000, True),
        (10, 1_000, False),
        (11, 1_000, True),
        (900, 0, False),
        (0, 1, False),
    ],
)
def test_six_hundred_words_a_minute_are_too_fast_to_read(words: int, active_ms: int, found: bool) -> None:
    assert hurried(words, active_ms) is found


def test_words_are_counted_over_all_texts() -> None:
    assert count_words("Fever and\n\nstiff neck.", "", " Yes ") == 5


def test_the_lead_is_told_who_answered_faster_than_can_be_read_and_nobody_is_blocked(tmp_path: Path) -> None:
    """Anna takes a minute for each case, Ben a hundredth of a second for two of four; practice does not count."""
    desk = with_study(tmp_path / "study.db")
    for name in ("Anna", "Ben"):
        quick = 0
        while (view := desk.sessions.next(desk.local, name, NAME)) is not None:
            in_a_hurry = name == "Ben" and (view.practice or quick < 2)
            quick += in_a_hurry and not view.practice
            rate(desk, view, name, active_ms=10 if in_a_hurry else 60_000)
    found = desk.studies.get(desk.local, NAME)
    told = [warning for warning in found.warnings if "words a minute" in warning]
    assert told == ["Ben answered 2 of 4 cases faster than 600 words a minute. Ask whether they were read."]
    assert [one.done for one in found.raters] == [4, 4]
