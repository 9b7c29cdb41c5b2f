"""The figures of an assessment: picks the numbers, leaves the drawing to `figures`.

While the study is blind there is one figure only, agreement, because every other one tells the arms apart.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from medreason.domain.arms import ARMS, Arm
from medreason.domain.instrument import SCALES, Axis
from medreason.figures import agreement, distributions, forest, length, preference, specialty
from medreason.figures.drawing import Figure
from medreason.figures.forest import Interval
from medreason.services.assessing import Assessment
from medreason.stats.bootstrap import estimates, means
from medreason.stats.by_case import CaseValue
from medreason.stats.estimate import NA, Estimate
from medreason.stats.outcomes import FIRST_PHASES, PREFERENCE, PRIMARY_FAMILY
from medreason.stats.records import STUDY
from medreason.stats.rows import Row

NO_SPECIALTY = "not named"
MOST_SPECIALTIES = 12


def figures(made: Assessment) -> tuple[Figure, ...]:
    """Every figure that has something to show, in the order of the page."""
    rows = [row for axis in PRIMARY_FAMILY if (row := made.evaluation.row(axis)).n_paired]
    if not made.data.study.unblinded:
        return tuple(_agreement(rows))
    return (*_distributions(rows), *_forests(made, rows), *_preference(made), *_specialties(made, rows),
            *_agreement(rows), *_lengths(made, rows))  # fmt: skip


def _distributions(rows: Sequence[Row]) -> list[Figure]:
    given = [
        distributions.Scores(
            name=row.outcome.label,
            points=row.outcome.categories,
            baseline=[n for _, n in row.baseline.distribution],
            finetuned=[n for _, n in row.finetuned.distribution],
            baseline_mean=_number(row.baseline.mean),
            finetuned_mean=_number(row.finetuned.mean),
        )
        for row in rows
        # Means of several answers of a case that cannot be told apart are no point of the scale.
        if len(row.baseline.distribution) == len(row.finetuned.distribution) == len(row.outcome.categories)
    ]
    return [distributions.distributions(given)] if given else []


def _forests(made: Assessment, rows: Sequence[Row]) -> list[Figure]:
    return [
        forest.forest(
            row.outcome.id,
            row.outcome.label,
            [forest.CaseDifference(one.case, one.difference, one.lowest, one.highest) for one in own],
            _interval(row.difference) or Interval(0.0),
        )
        for row in rows
        if (own := made.cases.get(row.outcome.id))
    ]


def _preference(made: Assessment) -> list[Figure]:
    row = made.evaluation.row(PREFERENCE)
    counts = {round(point): n for point, n in row.finetuned.distribution}
    return [preference.preference(counts)] if row.n_paired else []


def _specialties(made: Assessment, rows: Sequence[Row]) -> list[Figure]:
    named = {row.case_id: row.case_specialty for row in made.data.ratings if row.case_specialty}
    named |= {case.case_id: case.specialty for case in made.data.cases if case.specialty}
    if not named or not rows:
        return []
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for one in made.cases[row.outcome.id]:
            groups[named.get(one.case, NO_SPECIALTY)].add(one.case)
    shown = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[:MOST_SPECIALTIES]
    drawn = [
        specialty.SpecialtyDifferences(
            name,
            len(cases),
            [_mean([one for one in made.cases[row.outcome.id] if one.case in cases], made) for row in rows],
        )
        for name, cases in shown
    ]
    return [specialty.by_specialty([row.outcome.label for row in rows], drawn)]


def _mean(cases: Sequence[CaseValue], made: Assessment) -> Interval | None:
    if not cases:
        return None
    values = np.array([[one.difference] for one in cases])
    return _interval(estimates(values, means, made.evaluation.resampling, "no case")[0])


def _agreement(rows: Sequence[Row]) -> list[Figure]:
    given = [
        agreement.Agreed(
            row.outcome.label, _interval(row.agreement.scores.alpha), _interval(row.agreement.scores.ac2)
        )
        for row in rows
    ]
    known = any(one.alpha or one.ac2 for one in given)
    return [agreement.agreement(given)] if known else []


def _lengths(made: Assessment, rows: Sequence[Row]) -> list[Figure]:
    tokens = {
        row.generation_id: (row.thinking_tokens or 0) + row.answer_tokens
        for row in made.data.generations
        if row.answer_tokens is not None
    }
    panels = []
    for row in rows:
        scores = answer_scores(made, row.outcome.id)
        given = {
            arm: [
                length.Scored(tokens[one], fmean(values))
                for (one, own), values in scores.items()
                if own == arm and one in tokens
            ]
            for arm in ARMS
        }
        both = [*given[Arm.BASELINE], *given[Arm.FINETUNED]]
        if both:
            name = SCALES[Axis(row.outcome.id)].name
            panels.append(length.LengthPanel(name, given[Arm.BASELINE], given[Arm.FINETUNED], _ranked(both)))
    return [length.length_against_score(panels)] if panels else []


def answer_scores(made: Assessment, item: str) -> dict[tuple[str, str], list[int]]:
    """What raters gave each answer on one axis, by answer and arm, in the phase that the table uses."""
    own = [
        row
        for row in made.data.ratings
        if row.item == item
        and row.value is not None
        and not row.superseded
        and row.case_kind == STUDY
        and row.mode in made.evaluation.modes
        and row.generation_id
    ]
    phases = FIRST_PHASES[Axis(item)]
    first = next((phase for phase in phases if any(row.phase == phase for row in own)), phases[0])
    scores: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in own:
        if row.phase == first and row.value is not None:
            scores[row.generation_id, row.arm].append(row.value)
    return scores


def _ranked(answers: Sequence[length.Scored]) -> float | None:
    """Spearman's rank correlation; None below six answers or where one side does not vary."""
    tokens, scores = [one.tokens for one in answers], [one.score for one in answers]
    if len(answers) < 6 or len(set(tokens)) < 2 or len(set(scores)) < 2:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(tokens, scores).statistic)


def _interval(estimate: Estimate) -> Interval | None:
    if isinstance(estimate.value, NA):
        return None
    if isinstance(estimate.interval, NA):
        return Interval(estimate.value)
    return Interval(estimate.value, estimate.interval.low, estimate.interval.high)


def _number(estimate: Estimate) -> float:
    return 0.0 if isinstance(estimate.value, NA) else estimate.value
