"""What a reader must know before believing the numbers, in plain sentences."""

from collections.abc import Sequence

from medreason.stats.blinding_index import BlindingIndex
from medreason.stats.estimate import FEW_FOR_INTERVAL, FEW_FOR_TEST, NA, Estimate, Interval
from medreason.stats.outcomes import ORDINAL
from medreason.stats.planning import can_pass_holm
from medreason.stats.rows import Row

CEILING = 0.8
MUCH_MISSING = 0.1
POOR_AGREEMENT = 0.4
CLEAR = 0.01


def caveats(
    rows: Sequence[Row],
    blinding: BlindingIndex,
    n_cases: int,
    n_raters: int,
    n_showings: int,
    n_unblinded: int,
    n_conflicting: int,
    n_both_unacceptable: int,
    modes: Sequence[str],
) -> tuple[str, ...]:
    """Sentences about the study as a whole, the gravest first."""
    said = []
    if 0 < n_cases < FEW_FOR_TEST:
        said.append(f"Fewer than {FEW_FOR_TEST} cases: estimates only, which do not show which model is better.")
    elif 0 < n_cases and not can_pass_holm(n_cases):
        said.append(f"With {n_cases} cases no axis can reach significance once three are looked at.")
    if FEW_FOR_TEST <= n_cases < FEW_FOR_INTERVAL:
        said.append(f"Fewer than {FEW_FOR_INTERVAL} cases: no interval can be trusted, so none is given.")
    if n_raters == 1:
        said.append("One rater only: agreement cannot be told, and the numbers carry one person's habits.")
    others = [mode for mode in modes if mode != "confirmatory"]
    if others and n_cases:
        said.append(f"These numbers rest on {' and '.join(modes)} ratings, not on a planned study alone.")
    if n_unblinded:
        said.append(f"{n_unblinded} of {n_showings} ratings were given by somebody who could know the models.")
    limits = blinding.index.interval
    if isinstance(limits, Interval) and limits.low > 0:
        said.append("Raters guessed the fine-tuned side better than chance: blinding did not hold.")
    if any(_below(row.side_bias.p, CLEAR) for row in rows if not isinstance(row.side_bias, NA)):
        said.append("One side was favoured more than chance allows; see the share of left wins.")
    if n_conflicting:
        said.append(f"{n_conflicting} scores were given twice with different values; their mean is used.")
    if n_both_unacceptable:
        said.append(f"Both answers were called unacceptable {n_both_unacceptable} times.")
    return tuple(said)


def row_caveats(row: Row) -> tuple[str, ...]:
    """Sentences about one outcome."""
    if not row.n_paired:
        return ()
    said = []
    if row.n_cases < FEW_FOR_TEST:
        said.append(f"Fewer than {FEW_FOR_TEST} cases: no test.")
    elif row.n_cases < FEW_FOR_INTERVAL:
        said.append(f"Fewer than {FEW_FOR_INTERVAL} cases: no interval.")
    asked = row.n_paired + row.n_missing + row.n_not_judgeable
    lost = row.n_missing + row.n_not_judgeable
    if lost > MUCH_MISSING * asked:
        said.append(f"{lost} of {asked} judgements are missing or could not be made.")
    shares = [arm.best_bin.value for arm in (row.baseline, row.finetuned)]
    if row.outcome.kind == ORDINAL and all(not isinstance(s, NA) and s >= CEILING for s in shares):
        said.append("Nearly all ratings are at the top: the scale can hardly tell the arms apart.")
    alpha = row.agreement.scores.alpha
    ac2 = row.agreement.scores.ac2
    if _poor(alpha) and _poor(ac2):
        said.append("Raters agree little on this outcome.")
    undefined = _undefined(row)
    if undefined:
        said.append(f"{undefined} resamples gave no number somewhere and were left out of an interval.")
    return tuple(said)


def _below(p: float | NA, level: float) -> bool:
    return not isinstance(p, NA) and p < level


def _poor(estimate: Estimate) -> bool:
    return not isinstance(estimate.value, NA) and estimate.value < POOR_AGREEMENT


def _undefined(row: Row) -> int:
    shown = (row.difference, row.prob_superiority, row.rank_biserial, row.agreement.scores.alpha)
    limits = (estimate.interval for estimate in shown)
    return max((one.n_undefined for one in limits if isinstance(one, Interval)), default=0)
