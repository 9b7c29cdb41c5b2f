"""The simulations of tests/drills at a small part of their count."""

from tests.drills.test_stats_simulation import Cases, chance, coverage, power, rejected, share_coverage


def test_a_true_null_is_rejected_in_about_one_of_twenty():
    assert abs(rejected(20, studies=500) - 0.05) < chance(0.05, 500)
    assert rejected(20, studies=200, raters=3) < 0.05 + chance(0.05, 200)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    shares = coverage(20, 3, effect=0.5, studies=100, n_boot=399)
    for name in ("difference", "prob_superiority"):
        assert 0.93 - chance(0.95, 100) < shares[name]


def test_the_interval_of_a_difference_of_shares_is_not_too_short_with_several_raters():
    for raters in (2, 5):
        found = share_coverage(20, Cases(raters, 0.5, 4.2), studies=400)
        assert 0.93 - chance(0.93, 400) / 2 < found.difference


def test_a_planned_study_finds_its_effect():
    assert power(0.75, studies=100).sign_flip > 0.8 - chance(0.8, 100)
