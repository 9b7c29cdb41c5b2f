"""Bang's blinding index from the raters' guesses which side was the fine-tuned one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medreason.stats.bootstrap import Resampling, estimates, sums
from medreason.stats.estimate import Estimate

NO_GUESSES = "no guesses were asked for"


@dataclass(frozen=True)
class BlindingIndex:
    """`index`: 0 where guesses are as good as chance, 1 where every guess was right, −1 where every guess was
    wrong; `dont_know` counts in the denominator."""

    index: Estimate
    correct: int
    wrong: int
    dont_know: int


def blinding_index(guesses: Sequence[tuple[str, bool | None]], resampling: Resampling) -> BlindingIndex:
    """(right − wrong) / all guesses, "don't know" included (Bang, Ni & Davis 2004, Control Clin Trials 25:143).

    `guesses`: (case, right?) with None for "don't know". The interval resamples cases, because the guesses
    about one case rest on the same two texts; Bang's own formula takes each guess as independent.
    """
    given = [guess for _, guess in guesses]
    counts = sum(g is True for g in given), sum(g is False for g in given), sum(g is None for g in given)
    if not guesses:
        return BlindingIndex(Estimate.missing(NO_GUESSES), *counts)
    place = {case: index for index, case in enumerate(dict.fromkeys(case for case, _ in guesses))}
    rows = np.zeros((len(place), 2))
    for case, guess in guesses:
        rows[place[case]] += (0 if guess is None else 1 if guess else -1, 1)

    def index(weights: np.ndarray, merged: np.ndarray) -> np.ndarray:
        balance, n = sums(weights, merged).T
        return (balance / n)[:, None]

    (estimate,) = estimates(rows, index, resampling, NO_GUESSES)
    return BlindingIndex(estimate, *counts)
