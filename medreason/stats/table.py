"""The evaluation table: judgements in, numbers out. The case is the unit.

Several ratings of one case are averaged within each rater, then over the raters, so neither a busy rater
nor a case rated often weighs more. A rating counts for an axis only where both arms could be judged on
it. There is no interval and no test here, and what cannot be computed is None with a reason, never NaN.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from medreason.domain.instrument import SCALES, Axis

FEW_CASES = 6
PREFERENCE = "preference"
NO_RATINGS = "no ratings yet"
NOT_JUDGED = "nobody could judge both arms"


@dataclass(frozen=True)
class Judgement:
    """What one rater last said of one pair. `preference` is positive where the fine-tuned is better."""

    case: str
    rater: str
    baseline: Mapping[Axis, int | None]
    finetuned: Mapping[Axis, int | None]
    preference: int | None


@dataclass(frozen=True)
class Row:
    """One outcome. For an axis, `baseline` and `finetuned` are mean scores over cases and `difference` is
    fine-tuned minus baseline. For the preference they are the cases in which that arm was preferred, and
    `difference` is the mean preference from -3 to +3. `wins` are cases in which the fine-tuned was better."""

    outcome: str
    label: str
    baseline: float | None
    finetuned: float | None
    difference: float | None
    n_cases: int
    n_raters: int
    n_ratings: int
    n_not_judgeable: int
    wins: int
    ties: int
    losses: int
    reason: str = ""


@dataclass(frozen=True)
class EvaluationTable:
    """Every row, how much they rest on, and sentences that must be read with them."""

    rows: tuple[Row, ...]
    n_cases: int
    n_raters: int
    n_ratings: int
    notes: tuple[str, ...] = ()

    def row(self, outcome: str) -> Row:
        return next(row for row in self.rows if row.outcome == outcome)


@dataclass(frozen=True)
class Lengths:
    """Tokens of one part of the answers, over pairs; `difference` is the mean of fine-tuned minus
    baseline, pair by pair."""

    part: str
    n: int
    baseline_mean: float | None
    baseline_median: float | None
    finetuned_mean: float | None
    finetuned_median: float | None
    difference: float | None
    reason: str = ""


def evaluation_table(judgements: Sequence[Judgement], notes: Iterable[str] = ()) -> EvaluationTable:
    rows = [_axis_row(axis, judgements) for axis in SCALES]
    rows.append(_preference_row(judgements))
    cases = {one.case for one in judgements}
    own_notes = []
    if 0 < len(cases) < FEW_CASES:
        own_notes.append(
            f"Fewer than {FEW_CASES} cases: these are estimates only and do not show which model is better."
        )
    return EvaluationTable(
        rows=tuple(rows),
        n_cases=len(cases),
        n_raters=len({one.rater for one in judgements}),
        n_ratings=len(judgements),
        notes=(*own_notes, *notes),
    )


def token_lengths(part: str, baseline: Sequence[int], finetuned: Sequence[int]) -> Lengths:
    """Lengths of one part; the two sequences hold the same pairs in the same order."""
    if len(baseline) != len(finetuned):
        raise ValueError(f"{len(baseline)} baseline lengths beside {len(finetuned)} fine-tuned ones")
    if not baseline:
        return Lengths(part, 0, None, None, None, None, None, "no complete pair yet")
    return Lengths(
        part=part,
        n=len(baseline),
        baseline_mean=fmean(baseline),
        baseline_median=float(median(baseline)),
        finetuned_mean=fmean(finetuned),
        finetuned_median=float(median(finetuned)),
        difference=fmean(f - b for b, f in zip(baseline, finetuned, strict=True)),
    )


def _axis_row(axis: Axis, judgements: Sequence[Judgement]) -> Row:
    baseline: list[tuple[str, str, float]] = []
    finetuned: list[tuple[str, str, float]] = []
    for one in judgements:
        left, right = one.baseline[axis], one.finetuned[axis]
        if left is not None and right is not None:
            baseline.append((one.case, one.rater, left))
            finetuned.append((one.case, one.rater, right))
    per_case_baseline, per_case_finetuned = _by_case(baseline), _by_case(finetuned)
    differences = [per_case_finetuned[case] - per_case_baseline[case] for case in per_case_baseline]
    return Row(
        outcome=str(axis),
        label=SCALES[axis].name,
        baseline=_mean(per_case_baseline.values()),
        finetuned=_mean(per_case_finetuned.values()),
        difference=_mean(differences),
        n_cases=len(differences),
        n_raters=len({rater for _, rater, _ in baseline}),
        n_ratings=len(baseline),
        n_not_judgeable=len(judgements) - len(baseline),
        **_signs(differences),
        reason=_reason(differences, judgements),
    )


def _preference_row(judgements: Sequence[Judgement]) -> Row:
    given = [(one.case, one.rater, one.preference) for one in judgements if one.preference is not None]
    values = list(_by_case(given).values())
    signs = _signs(values)
    return Row(
        outcome=PREFERENCE,
        label="Overall preference",
        baseline=float(signs["losses"]) if values else None,
        finetuned=float(signs["wins"]) if values else None,
        difference=_mean(values),
        n_cases=len(values),
        n_raters=len({rater for _, rater, _ in given}),
        n_ratings=len(given),
        n_not_judgeable=len(judgements) - len(given),
        **signs,
        reason=_reason(values, judgements),
    )


def _by_case(values: Iterable[tuple[str, str, float]]) -> dict[str, float]:
    """One value a case: the mean over its raters of each rater's own mean."""
    grouped: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for case, rater, value in values:
        grouped[case][rater].append(value)
    return {case: fmean(fmean(own) for own in raters.values()) for case, raters in grouped.items()}


def _mean(values: Iterable[float]) -> float | None:
    some = list(values)
    return fmean(some) if some else None


def _signs(differences: Sequence[float]) -> dict[str, int]:
    """Cases won, even and lost by the fine-tuned arm. Means of a few whole numbers that are equal on paper
    can differ in the last bit, so less than a billionth counts as even."""
    wins = sum(difference > 1e-9 for difference in differences)
    losses = sum(difference < -1e-9 for difference in differences)
    return {"wins": wins, "ties": len(differences) - wins - losses, "losses": losses}


def _reason(values: Sequence[float], judgements: Sequence[Judgement]) -> str:
    if values:
        return ""
    return NOT_JUDGED if judgements else NO_RATINGS
