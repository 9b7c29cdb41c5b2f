"""The simulations of tests/drills at a small part of their count."""

from tests.drills.test_stats_simulation import chance, coverage, power, rejected


def test_a_true_null_is_rejected_in_about_one_of_twenty():
    assert abs(rejected(20, studies=500) - 0.05) < chance(0.05, 500)
    assert rejected(20, studies=200, raters=3) < 0.05 + chance(0.05, 200)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    shares = coverage(20, 3, effect=0.5, studies=100, n_boot=399)
    for name in ("difference", "prob_superiority"):
        assert 0.93 - chance(0.95, 100) < shares[name]


def test_a_planned_study_finds_its_effect():
    assert power(0.75, studies=100).sign_flip > 0.8 - chance(0.8, 100)
