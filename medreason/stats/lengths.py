"""Plain description of paired measures such as token counts: nothing is tested, nothing is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

NO_PAIR = "no complete pair yet"


@dataclass(frozen=True)
class Described:
    """One measure over `n` pairs; `difference` is the mean of fine-tuned minus baseline, pair by pair."""

    name: str
    n: int
    baseline_mean: float | None
    baseline_median: float | None
    finetuned_mean: float | None
    finetuned_median: float | None
    difference: float | None
    reason: str = ""


def described(name: str, baseline: Sequence[float], finetuned: Sequence[float]) -> Described:
    """The two sequences hold the same pairs in the same order. Without a pair all are None, with a reason."""
    if len(baseline) != len(finetuned):
        raise ValueError(f"{len(baseline)} baseline values beside {len(finetuned)} fine-tuned ones")
    if not baseline:
        return Described(name, 0, None, None, None, None, None, NO_PAIR)
    return Described(
        name=name,
        n=len(baseline),
        baseline_mean=fmean(baseline),
        baseline_median=float(median(baseline)),
        finetuned_mean=fmean(finetuned),
        finetuned_median=float(median(finetuned)),
        difference=fmean(f - b for b, f in zip(baseline, finetuned, strict=True)),
    )
