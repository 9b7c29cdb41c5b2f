"""An outcome case by case: what the table's means, wins and differences are made of."""

from dataclasses import dataclass

import numpy as np

from medreason.stats.effects import EVEN, CaseMeans
from medreason.stats.judgements import Judgements
from medreason.stats.outcomes import PAIRWISE

BETTER, EVEN_CASE, WORSE = "win", "tie", "loss"


@dataclass(frozen=True, slots=True)
class CaseValue:
    """One case on one outcome: means over its raters, and the lowest and highest difference that a rater gave.
    A preference has no value for an arm. `verdict` is that of the fine-tuned arm."""

    case: str
    baseline: float | None
    finetuned: float | None
    difference: float
    lowest: float
    highest: float
    n_raters: int
    verdict: str


def by_case(judgements: Judgements, cells: np.ndarray, means: CaseMeans) -> tuple[CaseValue, ...]:
    """Cases in the order of their names; `cells` and `means` are those of the judgements."""
    apart = cells[:, :, 1] - cells[:, :, 0]
    compared = judgements.outcome.kind == PAIRWISE
    lowest, highest = np.nanmin(apart, axis=1).tolist(), np.nanmax(apart, axis=1).tolist()
    n_raters = (~np.isnan(apart)).sum(axis=1).tolist()
    values = zip(means.baseline.tolist(), means.finetuned.tolist(), means.differences.tolist(), strict=True)
    return tuple(
        CaseValue(
            case=case,
            baseline=None if compared else baseline,
            finetuned=None if compared else finetuned,
            difference=difference,
            lowest=lowest[at],
            highest=highest[at],
            n_raters=n_raters[at],
            verdict=_verdict(difference * means.direction),
        )
        for at, (case, (baseline, finetuned, difference)) in enumerate(zip(judgements.cases, values, strict=True))
    )


def _verdict(lead: float) -> str:
    return BETTER if lead > EVEN else WORSE if lead < -EVEN else EVEN_CASE
