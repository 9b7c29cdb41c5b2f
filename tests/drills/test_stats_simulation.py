"""Whether the numbers keep their promises over many simulated studies; each drill prints its figures.

With no true difference the sign-flip test rejects in one study of twenty; a 95 % interval covers the truth
in 95 studies of a hundred; a planned study finds its effect as often as planned.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest

from medreason.stats.bootstrap import Resampling
from medreason.stats.effects import CaseMeans, effects
from medreason.stats.estimate import Interval
from medreason.stats.planning import cases_needed
from medreason.stats.shares import paired_shares
from medreason.stats.significance import sign_flip, sign_test, wilcoxon

COVERED = ("difference", "prob_superiority", "best_difference", "baseline_best", "finetuned_best")
FEW_COUNTED = 5
"""With fewer expected ratings in or out of the best bin than this, counts are too coarse for exactly 95 %."""


@dataclass(frozen=True)
class Cases:
    """Case means of many cases to draw studies from: scores of 1 to 5 by `raters` raters, the fine-tuned arm
    better by `effect` points before rounding, more so in some cases than in others. `level` is where both arms lie
    together before rounding, `apart` the standard deviation of raters about one answer."""

    raters: int
    effect: float
    level: float = 3.3
    apart: float = 0.7
    seed: int = 1
    size: int = 40_000

    def population(self) -> CaseMeans:
        rng = np.random.default_rng(self.seed)
        difficulty = rng.normal(size=(self.size, 1))
        gain = self.effect + 0.8 * rng.normal(size=(self.size, 1))

        def scored(shift: np.ndarray | float) -> np.ndarray:
            noise = self.apart * rng.normal(size=(self.size, self.raters))
            return np.clip(np.round(self.level + 0.8 * difficulty + shift + noise), 1, 5)

        b, f = scored(-gain / 2), scored(gain / 2)
        higher = (f > b) + (f == b) / 2
        return CaseMeans(*(some.mean(axis=1) for some in (b, f, b == 5, f == 5, higher)))


def some_of(cases: CaseMeans, chosen: np.ndarray) -> CaseMeans:
    columns = (cases.baseline, cases.finetuned, cases.baseline_best, cases.finetuned_best, cases.finetuned_higher)
    return CaseMeans(*(column[chosen] for column in columns))


def rejected(n_cases: int, studies: int, raters: int | None = None) -> float:
    """Share of studies with p ≤ .05 where each case's difference is as likely to be turned round. Differences
    are fine (hundredths of a standard deviation), or those of scores by so many raters."""
    rng = np.random.default_rng(2)
    fine = np.round(rng.normal(size=40_000), 2)
    d = fine if raters is None else Cases(raters, 0.0).population().differences
    count = 0
    for _ in range(studies):
        p = sign_flip(rng.choice(d, n_cases) * rng.choice((-1, 1), n_cases)).p
        assert isinstance(p, float)
        count += p <= 0.05
    return count / studies


def coverage(n_cases: int, raters: int, effect: float, studies: int, n_boot: int) -> dict[str, float]:
    """Share of the intervals that hold the truth of the population, for each of `COVERED`; a study in which no
    case differs gives none."""
    rng = np.random.default_rng(3)
    everything = Cases(raters, effect).population()
    truth = {
        "difference": everything.differences.mean(),
        "prob_superiority": everything.finetuned_higher.mean(),
        "best_difference": (everything.finetuned_best - everything.baseline_best).mean(),
        "baseline_best": everything.baseline_best.mean(),
        "finetuned_best": everything.finetuned_best.mean(),
    }
    held = dict.fromkeys(COVERED, 0)
    for study in range(studies):
        made = effects(
            some_of(everything, rng.integers(0, len(everything.baseline), n_cases)), Resampling(n_boot, study)
        )
        for name in COVERED:
            limits = getattr(made, name).interval
            held[name] += isinstance(limits, Interval) and limits.low <= truth[name] <= limits.high
    return {name: count / studies for name, count in held.items()}


class ShareCoverage(NamedTuple):
    """Shares of intervals that hold the truth: of each arm's share in the best bin, and of their difference.
    `counted` is how many cases are expected in the best bin, or out of it, of the arm where that is least."""

    arms: float
    difference: float
    counted: float


def share_coverage(n_cases: int, cases: Cases, studies: int) -> ShareCoverage:
    rng, everything = np.random.default_rng(5), cases.population()
    b, f = everything.baseline_best, everything.finetuned_best
    truth = b.mean(), f.mean(), f.mean() - b.mean()
    held = np.zeros(3)
    for _ in range(studies):
        chosen = rng.integers(0, len(b), n_cases)
        made = paired_shares(b[chosen], f[chosen])
        held += [one.low <= true <= one.high for one, true in zip(made, truth, strict=True)]  # type: ignore[operator]
    held = held / studies
    rarest = min(share for arm in truth[:2] for share in (arm, 1 - arm))
    return ShareCoverage(float(min(held[:2])), float(held[2]), float(n_cases * rarest))


@dataclass(frozen=True)
class Power:
    sign: float
    sign_flip: float
    wilcoxon: float
    n_cases: int


def power(probability: float, studies: int) -> Power:
    """Share of planned studies with p ≤ .05, the fine-tuned arm being better in `probability` of the cases."""
    from scipy.special import ndtri

    rng = np.random.default_rng(4)
    n = cases_needed(probability)
    shift, found = float(ndtri(probability)), np.zeros(3)
    for _ in range(studies):
        d = np.round(shift + rng.normal(size=n), 1)
        wins = int((d > 0).sum())
        tests = (sign_test(wins, int((d < 0).sum()), n), sign_flip(d), wilcoxon(d))
        found += [test.p <= 0.05 for test in tests]  # type: ignore[operator]
    return Power(*(float(share) for share in found / studies), n_cases=n)


def chance(share: float, studies: int) -> float:
    """Three standard errors of a simulated share."""
    return 3 * math.sqrt(share * (1 - share) / studies)


def test_the_sign_flip_test_rejects_a_true_null_in_one_of_twenty():
    for n_cases in (12, 20, 60):
        share = rejected(n_cases, studies=10_000)
        print(f"\n{n_cases} cases, no difference: {share:.2%} of 10,000 studies have p ≤ .05")
        assert abs(share - 0.05) < chance(0.05, 10_000)


def test_on_a_scale_of_five_points_it_never_rejects_more_often():
    """Ties between sign patterns count as at least as extreme, so on a coarse scale the level is below 5 %."""
    for n_cases, raters in ((20, 1), (20, 3), (60, 3)):
        share = rejected(n_cases, studies=5_000, raters=raters)
        print(f"\n{n_cases} cases, {raters} raters, no difference: {share:.2%} of 5,000 studies have p ≤ .05")
        assert 0.02 < share < 0.05 + chance(0.05, 5_000)


def test_intervals_cover_the_truth():
    for n_cases, raters, effect in ((20, 1, 0.0), (20, 3, 0.5), (30, 3, 0.0), (60, 3, 0.5)):
        shares = coverage(n_cases, raters, effect, studies=2_000, n_boot=1_999)
        told = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        print(f"\n{n_cases} cases, {raters} raters, effect {effect}: the 95 % interval covers {told}")
        for name in COVERED[:3] if raters > 1 else COVERED[:2]:
            assert 0.93 <= shares[name] <= 0.97
        assert shares["best_difference"] >= 0.93


@pytest.mark.parametrize("raters", [1, 2, 3, 5])
@pytest.mark.parametrize("n_cases", [20, 40, 60])
def test_intervals_of_shares_cover_the_truth_from_rare_to_nearly_all(n_cases: int, raters: int):
    """Never too short; and never too long either, where there is enough to count."""
    for level, effect, apart in SETTINGS:
        found = share_coverage(n_cases, Cases(raters, effect, level, apart), studies=2_000)
        print(
            f"\n{n_cases} cases, {raters} raters, effect {effect}, level {level}, apart {apart}: "
            f"{found.counted:.1f} expected, the interval of the difference covers {found.difference:.1%}, "
            f"of an arm {found.arms:.1%}"
        )
        assert found.difference >= 0.93
        if found.counted >= FEW_COUNTED:
            assert found.difference <= 0.97
            assert 0.93 <= found.arms <= 0.97


SETTINGS = (
    *((level, effect, 0.7) for level in (2.5, 3.3, 4.2, 5.0, 6.0) for effect in (0.0, 0.8)),
    *((4.2, 0.5, apart) for apart in (0.2, 2.0)),
)


def test_a_planned_study_finds_its_effect():
    for probability in (0.65, 0.7, 0.75):
        found = power(probability, studies=2_000)
        print(
            f"\nbetter in {probability:.0%} of cases, {found.n_cases} planned for 80 %: found by the sign test in "
            f"{found.sign:.1%}, by sign-flip in {found.sign_flip:.1%}, by Wilcoxon in {found.wilcoxon:.1%}"
        )
        assert found.sign_flip >= 0.8 - chance(0.8, 2_000)
        assert found.sign >= 0.8 - 0.06  # whole numbers of wins: its level is below 5 %
