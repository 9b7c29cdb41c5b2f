"""One finished row of the evaluation: everything that is known of one outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medreason.domain.arms import Arm
from medreason.stats.between_raters import Agreement, between_raters
from medreason.stats.binary import mcnemar
from medreason.stats.bootstrap import Resampling
from medreason.stats.by_case import CaseValue, by_case
from medreason.stats.effects import CaseMeans, Effects, effects
from medreason.stats.estimate import NA, Count, Estimate, Number
from medreason.stats.judgements import Judgements, case_means, grid
from medreason.stats.outcomes import BINARY, ORDINAL, PAIRWISE, Outcome
from medreason.stats.preference import Adjusted, SideBias
from medreason.stats.sensitivity import (
    SURE,
    Sensitivity,
    leave_one_rater_out,
    mean_difference,
    pigeonhole,
)
from medreason.stats.significance import Significance, sign_flip, wilcoxon

NOT_CHECKED = "looked at for the axes and the preference only"
NOT_APART = "taken for the pair as a whole, not for each answer"
NO_ARM = "a preference has no value for one arm"


@dataclass(frozen=True)
class ArmSummary:
    """One arm: mean of case means, their median and quartiles, share of ratings in the best bin, and how
    many ratings gave each value (of a preference, under the fine-tuned arm)."""

    mean: Estimate
    median: Number
    q1: Number
    q3: Number
    best_bin: Estimate
    distribution: tuple[tuple[float, int], ...]

    @classmethod
    def missing(cls, reason: str) -> "ArmSummary":
        none, nothing = Estimate.missing(reason), NA(reason)
        return cls(none, nothing, nothing, nothing, none, ())


@dataclass(frozen=True)
class Row:
    """One outcome. `difference` is fine-tuned minus baseline; wins, the probability of superiority and the
    rank-biserial correlation count as better what `outcome.direction` says, and what is higher where it says
    nothing. `n_ratings` are judgements of single answers, `n_paired` judgements of pairs with both arms
    judged, the basis of every number. `cases` are the values behind it, in the order of their names."""

    outcome: Outcome
    n_cases: int
    n_raters: int
    n_ratings: int
    n_paired: int
    n_missing: int
    n_not_judgeable: int
    baseline: ArmSummary
    finetuned: ArmSummary
    difference: Estimate
    best_bin_difference: Estimate
    hodges_lehmann: Number
    wins: Count
    ties: Count
    losses: Count
    prob_superiority: Estimate
    rank_biserial: Estimate
    test: Significance | NA
    wilcoxon: Significance | NA
    agreement: Agreement
    sensitivity: Sensitivity | NA
    p_adjusted: Number = NA("not adjusted yet")
    adjust_method: str = ""
    family: str = ""
    side_bias: SideBias | NA = NA("sides were not recorded")
    log_odds: Estimate = Estimate.missing("not a preference")
    adjusted: Adjusted | NA = NA("not a preference")
    warnings: tuple[str, ...] = ()
    cases: tuple[CaseValue, ...] = ()


def row(judgements: Judgements, resampling: Resampling, guesses: Mapping[tuple[str, str], bool | None]) -> Row:
    """The row of one outcome; `guesses` by (rater, case), None for "don't know"."""
    if judgements.reason:
        return empty_row(judgements, judgements.reason)
    outcome, cells = judgements.outcome, grid(judgements)
    cases = case_means(judgements, cells)
    d = cases.differences
    made = effects(cases, resampling)
    return Row(
        outcome=outcome,
        n_cases=cells.shape[0],
        n_raters=cells.shape[1],
        n_ratings=len(judgements.judged) * (1 if outcome.kind == PAIRWISE else 2),
        n_paired=len(judgements.judged),
        n_missing=judgements.n_missing,
        n_not_judgeable=judgements.n_not_judgeable,
        baseline=_arm(judgements, Arm.BASELINE, cases, made),
        finetuned=_arm(judgements, Arm.FINETUNED, cases, made),
        difference=made.difference,
        best_bin_difference=made.best_difference,
        hodges_lehmann=made.hodges_lehmann,
        wins=made.wins,
        ties=made.ties,
        losses=made.losses,
        prob_superiority=made.prob_superiority,
        rank_biserial=made.rank_biserial,
        test=mcnemar(d) if outcome.kind == BINARY else sign_flip(d, resampling.seed),
        wilcoxon=NA("McNemar's test is used") if outcome.kind == BINARY else wilcoxon(d),
        agreement=between_raters(judgements, resampling),
        sensitivity=_sensitivity(judgements, cells, resampling, guesses)
        if outcome.kind in (ORDINAL, PAIRWISE)
        else NA(NOT_CHECKED),
        cases=by_case(judgements, cells, cases),
    )


def empty_row(judgements: Judgements, reason: str) -> Row:
    """A row of which nothing can be told, with the reason everywhere."""
    none, nothing = Estimate.missing(reason), NA(reason)
    return Row(
        outcome=judgements.outcome,
        n_cases=0,
        n_raters=0,
        n_ratings=0,
        n_paired=0,
        n_missing=judgements.n_missing,
        n_not_judgeable=judgements.n_not_judgeable,
        baseline=ArmSummary.missing(reason),
        finetuned=ArmSummary.missing(reason),
        difference=none,
        best_bin_difference=none,
        hodges_lehmann=nothing,
        wins=nothing,
        ties=nothing,
        losses=nothing,
        prob_superiority=none,
        rank_biserial=none,
        test=nothing,
        wilcoxon=nothing,
        agreement=Agreement.missing(reason),
        sensitivity=nothing,
        p_adjusted=nothing,
    )


def undivided(row: Row) -> Row:
    """The same for what was measured once for both arms: the arms alone, no comparison of them."""
    if not row.n_paired:
        return row
    blank = empty_row(Judgements(row.outcome, (), row.n_missing, row.n_not_judgeable, 0), NOT_APART)
    return replace(
        blank,
        n_cases=row.n_cases,
        n_raters=row.n_raters,
        n_ratings=row.n_ratings,
        n_paired=row.n_paired,
        baseline=row.baseline,
        finetuned=row.finetuned,
        cases=row.cases,
    )


def _arm(judgements: Judgements, arm: Arm, cases: CaseMeans, made: Effects) -> ArmSummary:
    if judgements.outcome.kind == PAIRWISE:
        missing = ArmSummary.missing(NO_ARM)
        given = [one.finetuned for one in judgements.judged] if arm is Arm.FINETUNED else []
        return replace(missing, distribution=_counted(given, judgements.outcome.categories))
    is_baseline = arm is Arm.BASELINE
    given = [one.baseline if is_baseline else one.finetuned for one in judgements.judged]
    q1, median, q3 = np.quantile(cases.baseline if is_baseline else cases.finetuned, (0.25, 0.5, 0.75))
    return ArmSummary(
        mean=made.baseline_mean if is_baseline else made.finetuned_mean,
        median=float(median),
        q1=float(q1),
        q3=float(q3),
        best_bin=made.baseline_best if is_baseline else made.finetuned_best,
        distribution=_counted(given, judgements.outcome.categories),
    )


def _counted(given: Sequence[float], categories: Sequence[int]) -> tuple[tuple[float, int], ...]:
    values = sorted({*map(float, categories), *given}) if categories or len(set(given)) <= 50 else []
    return tuple((value, given.count(value)) for value in values)


def _sensitivity(
    judgements: Judgements,
    cells: np.ndarray,
    resampling: Resampling,
    guesses: Mapping[tuple[str, str], bool | None],
) -> Sensitivity:
    differences = cells[:, :, 1] - cells[:, :, 0]
    sure = judgements.only(one for one in judgements.judged if (one.confidence or 0) >= SURE)
    unguessed = judgements.only(
        one for one in judgements.judged if guesses.get((one.rater, one.case), True) is None
    )
    return Sensitivity(
        without_a_rater=leave_one_rater_out(differences),
        over_raters=pigeonhole(differences, resampling),
        sure=_mean_of(sure, "no rating with a confidence of 4 or 5"),
        n_sure=len(sure.judged),
        unguessed=_mean_of(unguessed, "nobody answered that they could not tell the arms"),
        n_unguessed=len(unguessed.judged),
    )


def _mean_of(judgements: Judgements, reason: str) -> Number:
    if not judgements.judged:
        return NA(reason)
    cells = grid(judgements)
    return mean_difference(cells[:, :, 1] - cells[:, :, 0], reason)
