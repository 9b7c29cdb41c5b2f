"""Preference, sides, blinding, rates and planning."""

import math
from dataclasses import replace

import numpy as np
import pytest

from medreason.errors import Invalid
from medreason.stats.binary import per_thousand_tokens
from medreason.stats.blinding_index import blinding_index
from medreason.stats.bootstrap import Resampling
from medreason.stats.estimate import NA, Estimate, Interval
from medreason.stats.multiplicity import BENJAMINI_HOCHBERG, HOLM, adjusted, benjamini_hochberg, holm
from medreason.stats.planning import can_pass_holm, cases_needed, detectable_probability, smallest_p
from medreason.stats.preference import UNDECIDED, Comparison, adjusted_log_odds, log_odds, side_bias
from medreason.stats.shares import as_superiority, newcombe, paired_shares, wilson

QUICK = Resampling(n_boot=199)


def comparisons(n: int, odds: float, length: float = 0.0, always_longer: float = 0.0, seed: int = 1):
    """`n` cases with one comparison each, from a logit with these log-odds and this effect of length."""
    rng = np.random.default_rng(seed)
    made = []
    for case in range(n):
        left = bool(case % 2)
        longer = always_longer + 0.3 * rng.normal()
        chance = 1 / (1 + math.exp(-(odds + 0.5 * (1 if left else -1) + length * longer)))
        made.append(Comparison(str(case), float(rng.random() < chance), left, {"tokens": longer}))
    return made


def test_log_odds_at_its_ends():
    assert log_odds(Estimate.missing("nobody")) == Estimate.missing("nobody")
    assert log_odds(Estimate(1.0, NA("x"))) == Estimate.missing("one arm won every comparison")
    made = log_odds(Estimate(0.5, Interval(0.25, 0.75, "BCa")))
    assert (made.value, made.low, made.high) == (0.0, pytest.approx(-math.log(3)), pytest.approx(math.log(3)))
    assert isinstance(log_odds(Estimate(0.9, Interval(0.5, 1.0, "BCa"))).interval, NA)


def test_adjusted_log_odds_finds_what_was_put_in():
    made = adjusted_log_odds(comparisons(1_000, odds=0.8, length=2.0, always_longer=0.2))
    assert isinstance(made.log_odds.interval, Interval) and made.log_odds.method == "cluster-robust"
    assert made.log_odds.low < 0.8 < made.log_odds.high
    assert made.effects["side"].low < 0.5 < made.effects["side"].high
    assert made.effects["tokens"].low > 0 and made.n_pairs == 1_000


def test_length_alone_leaves_no_preference_once_it_is_held_level():
    pairs = comparisons(1_000, odds=0.0, length=3.0, always_longer=0.4)
    assert np.mean([one.result for one in pairs]) > 0.7
    made = adjusted_log_odds(pairs)
    assert made.log_odds.low < 0 < made.log_odds.high


def test_with_ties_halved_and_nothing_to_adjust_it_is_the_plain_log_odds():
    results = [1.0] * 30 + [0.5] * 20 + [0.0] * 10
    pairs = [Comparison(str(i), result, True, {}) for i, result in enumerate(results)]
    made = adjusted_log_odds(pairs)
    assert made.log_odds.value == pytest.approx(math.log(40 / 20)) and made.left_out == ("side",)
    swapped = adjusted_log_odds([Comparison(one.case, 1 - one.result, False, {}) for one in pairs])
    assert swapped.log_odds.value == pytest.approx(-made.log_odds.value)


def test_errors_by_case_agree_with_statsmodels():
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    pairs = [replace(one, case=str(int(one.case) // 3)) for one in comparisons(90, odds=0.4)]
    made = adjusted_log_odds(pairs)
    lengths = np.array([one.features["tokens"] for one in pairs])
    sides = np.array([1.0 if one.finetuned_left else -1.0 for one in pairs])
    design = np.column_stack([np.ones(90), sides, lengths / lengths.std()])
    theirs = GLM([one.result for one in pairs], design, family=Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": np.array([int(one.case) for one in pairs])}
    )
    found = [made.log_odds, made.effects["side"], made.effects["tokens"]]
    assert [one.value for one in found] == pytest.approx(list(theirs.params))
    assert [one.low for one in found] == pytest.approx(list(theirs.conf_int()[:, 0]), abs=1e-5)


def test_too_few_or_one_sided_comparisons_are_not_modelled():
    assert isinstance(adjusted_log_odds(comparisons(49, 0.5)).log_odds.value, NA)
    assert isinstance(adjusted_log_odds([]).log_odds.value, NA)
    one_sided = [Comparison(str(i), 1.0, bool(i % 2), {}) for i in range(60)]
    assert adjusted_log_odds(one_sided).log_odds.value == NA("one arm won every comparison")
    decided = [Comparison(str(i), float(i % 2), bool(i % 2), {}) for i in range(60)]
    assert adjusted_log_odds(decided).log_odds == Estimate.missing(UNDECIDED)
    few_cases = [Comparison(str(i % 5), float(i % 3 > 0), bool(i % 2), {}) for i in range(60)]
    assert isinstance(adjusted_log_odds(few_cases).log_odds.value, NA)


def test_side_bias():
    some = side_bias(8, 2, 30, 40)
    assert (some.left_share, some.p) == (0.8, pytest.approx(0.109375))
    assert side_bias(0, 0, 5, 5).left_share == side_bias(0, 0, 5, 5).p == NA("no side was preferred")
    assert isinstance(side_bias(3, 1, 0, 4).p, NA)


def test_bangs_index_by_hand():
    guesses = [("a", True), ("a", True), ("b", False), ("c", None)]
    made = blinding_index(guesses, QUICK)
    assert (made.index.value, made.correct, made.wrong, made.dont_know) == (0.25, 2, 1, 1)
    assert isinstance(made.index.interval, NA)
    assert blinding_index([], QUICK).index == Estimate.missing("no guesses were asked for")
    seen = blinding_index([(str(i), i % 5 > 0) for i in range(20)], QUICK)
    assert seen.index.value == pytest.approx(0.6) and seen.index.low > 0


def test_wilson_agrees_with_statsmodels_and_needs_ten():
    from statsmodels.stats.proportion import proportion_confint

    for yes, n in ((0, 10), (3, 17), (40, 40)):
        made = wilson(yes, n)
        assert (made.low, made.high) == pytest.approx(proportion_confint(yes, n, method="wilson"), abs=1e-12)
    assert wilson(2, 9) == Estimate(2 / 9, NA("fewer than 10 cases"))
    assert wilson(0, 0) == Estimate.missing("nothing to count")


def test_newcombes_difference_of_paired_shares():
    def table(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
        finetuned = np.repeat([1.0, 1, 0, 0], [both, first, second, neither])
        return np.repeat([1.0, 0, 1, 0], [both, first, second, neither]), finetuned

    airways = newcombe(*table(1, 1, 7, 12))  # Fagerland, Lydersen & Laake 2017, chapter 8
    assert airways.value == pytest.approx(-6 / 21)
    assert (airways.low, airways.high) == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert newcombe(*table(1, 7, 1, 12)).low == pytest.approx(0.026, abs=5e-4)
    equal = newcombe(*table(10, 0, 0, 10))
    assert equal.value == 0 and -0.2 < equal.low < 0 < equal.high < 0.2
    assert newcombe(*table(20, 0, 0, 0)).value == 0 and newcombe(*table(0, 20, 0, 0)).high == 1.0
    assert isinstance(newcombe(*table(3, 1, 1, 4)).interval, NA)
    assert as_superiority(airways, -1).value == pytest.approx(0.5 + 3 / 21)
    assert as_superiority(airways, -1).high == pytest.approx(0.5 + 0.507 / 2, abs=5e-4)


def test_shares_of_one_rater_are_wilsons_and_newcombes():
    b, f = np.array([0.0, 1.0] * 10), np.array([1.0, 1.0, 0.0, 1.0] * 5)
    made = paired_shares(b, f)
    assert made == (wilson(10, 20), wilson(15, 20), newcombe(b, f))
    assert isinstance(paired_shares(b[:9], f[:9]).difference.interval, NA)
    assert paired_shares(np.array([]), np.array([])).difference == Estimate.missing("nothing to count")


def test_shares_of_several_raters_by_hand():
    """Ten cases, two raters: 0, ½ and 1 in turn; the fine-tuned arm as it is, the baseline at ½ throughout."""
    b, f = np.full(10, 0.5), np.array([0.0, 0.5, 0.5, 0.5, 1.0] * 2)
    made = paired_shares(b, f)
    worth = (0.25 + 0.25) / f.var(ddof=1)  # more than two: opposite raters make cases more alike than chance does
    t = 2.2621571628
    half = t * math.sqrt(0.25 / (10 * worth) + (t / (20 * worth)) ** 2) / (1 + t**2 / (10 * worth))
    assert (made.finetuned.low, made.finetuned.high) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-9)
    assert made.difference.low == pytest.approx(-half * math.sqrt(2), abs=1e-9)  # arms are not correlated
    assert made.difference.method == "Newcombe with effective n"


def test_two_raters_who_always_agree_are_worth_one_and_two_who_judge_by_chance_two():
    rng = np.random.default_rng(1)
    one, other = (rng.integers(0, 2, (2, 4_000)) for _ in range(2))
    width = [
        (made := paired_shares(*arms).difference).high - made.low  # type: ignore[operator]
        for arms in ((one[0] * 1.0, one[1] * 1.0), ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2))
    ]
    assert width[0] / width[1] == pytest.approx(math.sqrt(2), rel=0.05)


def test_swapping_the_arms_mirrors_the_interval_of_several_raters():
    rng = np.random.default_rng(2)
    b, f = (rng.integers(0, 4, 20) / 3 for _ in range(2))
    made, turned = paired_shares(b, f), paired_shares(f, b)
    assert (made.difference.low, made.difference.high) == (-turned.difference.high, -turned.difference.low)  # type: ignore[operator]
    order = rng.permutation(20)
    assert paired_shares(b[order], f[order]) == made


def test_rare_shares_of_several_raters_have_an_interval_within_the_scale():
    rare, none = np.array([1 / 3] + [0.0] * 19), np.zeros(20)
    for arms in ((none, rare), (1 - rare, none + 1)):
        made = paired_shares(*arms)
        for one in made:
            assert -1 <= one.low < one.high <= 1  # type: ignore[operator]
        assert made.difference.low < 0 < made.difference.high  # type: ignore[operator]


def test_rates_are_ratios_of_totals():
    b, f, tokens = np.array([1.0, 0, 2]), np.array([0.0, 0, 1]), np.array([100.0, 400, 500])
    made = per_thousand_tokens(b, f, tokens, 2 * tokens, QUICK)
    assert (made.baseline.value, made.finetuned.value, made.difference.value) == (3.0, 0.5, -2.5)
    empty = per_thousand_tokens(b, f, 0 * tokens, tokens, QUICK)
    assert empty.baseline == Estimate.missing("an arm has no tokens") and empty.finetuned.value == 1.0
    rng = np.random.default_rng(0)
    b, f, tokens = rng.poisson(1.0, 30) * 1.0, rng.poisson(0.5, 30) * 1.0, rng.integers(100, 900, 30) * 1.0
    one, other = per_thousand_tokens(b, f, tokens, tokens, QUICK), per_thousand_tokens(f, b, tokens, tokens, QUICK)
    assert (one.difference.low, one.difference.high) == pytest.approx(
        (-other.difference.high, -other.difference.low)
    )


def test_adjustment_agrees_with_statsmodels_and_skips_what_is_missing():
    from statsmodels.stats.multitest import multipletests

    p = list(np.random.default_rng(3).random(12) ** 3)
    assert holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert benjamini_hochberg(p) == pytest.approx(list(multipletests(p, method="fdr_bh")[1]))
    none = NA("fewer than 6 cases")
    assert adjusted({"D": 0.01, "F": none, "H": 0.03}, HOLM) == {"D": 0.02, "F": none, "H": 0.03}
    assert adjusted({"D": none}, BENJAMINI_HOCHBERG) == {"D": none}


def test_planning():
    assert [cases_needed(p) for p in (0.6, 0.65, 0.7, 0.75)] == [197, 88, 50, 32]
    assert [cases_needed(p, family=3) for p in (0.6, 0.65, 0.7, 0.75)] == [262, 117, 66, 42]
    assert cases_needed(0.7, tied_share=0.5) == 99 and cases_needed(0.3 + 0.4, power=0.9) > 50
    assert [round(smallest_p(n), 4) for n in (4, 5, 6, 7, 8)] == [0.125, 0.0625, 0.0312, 0.0156, 0.0078]
    assert not can_pass_holm(6) and can_pass_holm(7)
    assert detectable_probability(50) == pytest.approx(0.698, abs=1e-3) and detectable_probability(5) is None
    with pytest.raises(Invalid, match="needs no study"):
        cases_needed(0.5)
