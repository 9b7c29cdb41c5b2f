"""One outcome's judgements as arrays: what both arms got from each rater, case by case."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medreason.domain.arms import Arm
from medreason.stats.effects import EVEN, CaseMeans
from medreason.stats.outcomes import BINARY, Outcome, Reader
from medreason.stats.records import PairRecord
from medreason.stats.showings import Showing

NO_RATINGS = "no ratings yet"
NOT_ASKED = "not asked in this study"
NOT_JUDGED = "nobody could judge both arms"


@dataclass(frozen=True, slots=True)
class Judged:
    """One rater's judgement of one pair on one outcome, both arms. `answers` name the two texts."""

    case: str
    rater: str
    baseline: float
    finetuned: float
    answers: tuple[str, str] = ("", "")
    confidence: int | None = None


@dataclass(frozen=True)
class Judgements:
    """All judgements of one outcome with both arms judged, how many lack an arm, and how many an arm of
    which the rater could not judge."""

    outcome: Outcome
    judged: tuple[Judged, ...]
    n_missing: int
    n_not_judgeable: int
    n_showings: int

    @property
    def reason(self) -> str:
        """Why there is nothing to compute; empty if there is something."""
        if self.judged:
            return ""
        if not self.n_showings:
            return NO_RATINGS
        return NOT_JUDGED if self.n_not_judgeable else NOT_ASKED

    @cached_property
    def cases(self) -> list[str]:
        return sorted({one.case for one in self.judged})

    @cached_property
    def raters(self) -> list[str]:
        """In the order of what they gave, names only where two gave the same: so names change nothing."""
        given: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for one in self.judged:
            spread = round(abs(one.finetuned - one.baseline), 9)
            given[one.rater].append((spread, round(one.baseline + one.finetuned, 9)))
        return sorted(given, key=lambda rater: (sorted(given[rater]), rater))

    def only(self, judged: Iterable[Judged]) -> "Judgements":
        return Judgements(self.outcome, tuple(judged), self.n_missing, self.n_not_judgeable, self.n_showings)


def from_showings(outcome: Outcome, read: Reader, showings: Sequence[Showing]) -> Judgements:
    judged, missing, not_judgeable = [], 0, 0
    for showing in showings:
        said = read(showing)
        if len(said) < 2:
            missing += 1
            continue
        baseline, finetuned = said[Arm.BASELINE], said[Arm.FINETUNED]
        if baseline is None or finetuned is None:
            not_judgeable += 1
            continue
        judged.append(Judged(showing.case, showing.rater, baseline, finetuned, showing.texts, showing.confidence))
    return Judgements(outcome, tuple(judged), missing, not_judgeable, len(showings))


def from_pairs(outcome: Outcome, pairs: Sequence[PairRecord]) -> Judgements:
    """Preferences stand as the fine-tuned arm's lead over a baseline of 0."""
    judged = tuple(
        Judged(one.case_id, one.rater_id, 0.0, float(one.pref_ft), confidence=one.confidence)
        for one in pairs
        if one.pref_ft is not None
    )
    return Judgements(outcome, judged, 0, len(pairs) - len(judged), len(pairs))


def grid(judgements: Judgements) -> np.ndarray:
    """(n_cases, n_raters, 5): baseline, fine-tuned, share in the best bin of each, share of answers with the
    fine-tuned arm higher (ties half); several answers of a case averaged within the rater; NaN where a
    rater did not judge a case."""
    cases, raters = judgements.cases, judgements.raters
    row, column = {case: i for i, case in enumerate(cases)}, {rater: j for j, rater in enumerate(raters)}
    where = np.array([(row[one.case], column[one.rater]) for one in judgements.judged], dtype=int).reshape(-1, 2)
    b = np.array([one.baseline for one in judgements.judged], dtype=float)
    f = np.array([one.finetuned for one in judgements.judged], dtype=float)
    best = judgements.outcome.best
    shares = [np.full(len(b), np.nan)] * 2 if best is None else [(b == best) * 1.0, (f == best) * 1.0]
    higher = (f - b > EVEN) + (np.abs(f - b) <= EVEN) / 2
    sums, n = np.zeros((len(cases), len(raters), 5)), np.zeros((len(cases), len(raters), 1))
    np.add.at(sums, (where[:, 0], where[:, 1]), np.column_stack([b, f, *shares, higher]))
    np.add.at(n, (where[:, 0], where[:, 1]), 1.0)
    with np.errstate(invalid="ignore"):
        return sums / n


def case_means(judgements: Judgements, cells: np.ndarray) -> CaseMeans:
    """Raters averaged within the case; `cells` is the `grid`. Outcomes that are neither better nor worse
    count as better where they are higher."""
    present = ~np.isnan(cells[:, :, :1])
    columns = np.where(present, cells, 0.0).sum(axis=1) / present.sum(axis=1)
    baseline, finetuned, baseline_best, finetuned_best, higher = np.round(columns, 12).T
    direction = judgements.outcome.direction or 1
    yes_no = judgements.outcome.kind == BINARY
    return CaseMeans(baseline, finetuned, baseline_best, finetuned_best, higher, direction, yes_no)


def answers_by_rater(judgements: Judgements) -> tuple[np.ndarray, np.ndarray]:
    """(values (n_units, n_raters), case of each unit): a unit is one answer of one arm; NaN where a rater
    did not score it, or scored it differently in several showings."""
    scores = [
        ((one.case, str(arm), text), one.rater, value)
        for one in judgements.judged
        for arm, text, value in zip(Arm, one.answers, (one.baseline, one.finetuned), strict=True)
    ]
    return _units(scores, judgements)


def differences_by_rater(judgements: Judgements) -> tuple[np.ndarray, np.ndarray]:
    """The same for the difference of each pair of answers, fine-tuned minus baseline."""
    scores = [((one.case, *one.answers), one.rater, one.finetuned - one.baseline) for one in judgements.judged]
    return _units(scores, judgements)


def _units(
    scores: Sequence[tuple[tuple[str, ...], str, float]], judgements: Judgements
) -> tuple[np.ndarray, np.ndarray]:
    units = sorted({unit for unit, _, _ in scores})
    row, column = {unit: i for i, unit in enumerate(units)}, {r: j for j, r in enumerate(judgements.raters)}
    case = {name: i for i, name in enumerate(judgements.cases)}
    values = np.full((len(units), len(column)), np.nan)
    given: dict[tuple[int, int], set[float]] = defaultdict(set)
    for unit, rater, value in scores:
        given[(row[unit], column[rater])].add(value)
    for place, some in given.items():
        if len(some) == 1:
            values[place] = some.pop()
    return values, np.array([case[unit[0]] for unit in units], dtype=int)
