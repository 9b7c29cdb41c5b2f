"""Studies under kills and under many raters at once; the full counts are in tests/drills."""

from medreason.domain.items import Instrument
from tests.rating_drills import kill_writers, rate_at_once, simulate_panel


def test_no_acknowledged_judgement_is_lost_or_doubled_when_the_writer_is_killed(tmp_path):
    acknowledged, _ = kill_writers(tmp_path / "medreason.db", cycles=20)
    assert acknowledged >= 10


def test_fifty_raters_at_once_make_one_judgement_each_and_case(tmp_path):
    rate_at_once(tmp_path / "medreason.db", people=50, cases=1)


def test_a_small_panel_gives_what_it_was_told_to(tmp_path):
    assert simulate_panel(tmp_path / "medreason.db", 5, 5, Instrument.FULL)["study"] == 15
