"""The whole evaluation: plain rows in, every number of the table out, with warnings in words.

The analysis set is fixed: the chosen modes (confirmatory unless told otherwise), cases of the study
itself, the latest revision, both arms judgeable. Repeats and controls enter only the quality of the
raters. The same input gives the same numbers, whatever its order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medreason.stats.blinding_index import BlindingIndex, blinding_index
from medreason.stats.bootstrap import DEFAULT, Resampling
from medreason.stats.caveats import caveats, row_caveats
from medreason.stats.comparisons import guesses_of, preference_rows, standing_pairs
from medreason.stats.estimate import NA, Number
from medreason.stats.judgements import from_showings
from medreason.stats.multiplicity import BENJAMINI_HOCHBERG, HOLM, adjusted
from medreason.stats.outcomes import AXIS_OUTCOMES, PER_ANSWER, PRIMARY_FAMILY, TIME, readers
from medreason.stats.rate_row import rate_row
from medreason.stats.raters import Quality, quality
from medreason.stats.records import (
    OVERALL,
    STUDY,
    GenerationRecord,
    PairRecord,
    PlantedError,
    RatingRecord,
    SpanRecord,
)
from medreason.stats.rows import Row, row, undivided
from medreason.stats.showings import standing
from medreason.stats.sides import sides_of_scores

PRIMARY, SECONDARY = "primary", "secondary"
CONFIRMATORY = ("confirmatory",)


@dataclass(frozen=True)
class Evaluation:
    """Every row in the order of the table, what the raters are worth, whether blinding held, and what must
    be read with it. `modes` names the analysis set."""

    rows: tuple[Row, ...]
    quality: Quality
    blinding: BlindingIndex
    modes: tuple[str, ...]
    n_cases: int
    n_raters: int
    n_showings: int
    resampling: Resampling
    warnings: tuple[str, ...]

    def row(self, outcome: str) -> Row:
        return next(row for row in self.rows if row.outcome.id == outcome)


def evaluate(
    ratings: Iterable[RatingRecord],
    pairs: Iterable[PairRecord] = (),
    spans: Iterable[SpanRecord] = (),
    generations: Iterable[GenerationRecord] = (),
    planted: Iterable[PlantedError] = (),
    modes: Sequence[str] = CONFIRMATORY,
    resampling: Resampling = DEFAULT,
) -> Evaluation:
    """Every row of the evaluation table, from rows of the export.

    p-values are adjusted in two families: Holm over D, F and H, Benjamini–Hochberg over all other rows
    that have a test. What cannot be computed is NA with its reason; nothing is ever NaN.
    """
    ratings, spans = list(ratings), list(spans)
    stood = standing(ratings, modes)
    study = [showing for showing in stood.showings if showing.case_kind == STUDY]
    all_pairs = standing_pairs(pairs, modes)
    own_pairs = [one for one in all_pairs if one.case_kind == STUDY]
    guesses = guesses_of(own_pairs)
    tokens = {one.generation_id: one.tokens for one in generations}

    rows = []
    for outcome, read in readers(spans, {one.item for one in ratings}):
        judgements = from_showings(outcome, read, study)
        made = row(judgements, resampling, guesses)
        if outcome in AXIS_OUTCOMES:
            made = replace(made, side_bias=sides_of_scores(outcome.id, study))
        if outcome.id == TIME and not made.wins and not made.losses:
            made = undivided(made)
        rows.append(made)
        if outcome.id == PER_ANSWER:
            rows.append(rate_row(judgements, tokens, resampling))
    rows[len(AXIS_OUTCOMES) : len(AXIS_OUTCOMES)] = preference_rows(own_pairs, resampling, guesses)
    rows = [replace(one, warnings=row_caveats(one)) for one in _with_adjusted_p(rows)]

    blinding = blinding_index([(case, right) for (_, case), right in sorted(guesses.items())], resampling)
    cases = {one.case for one in study} | {one.case_id for one in own_pairs}
    raters = {one.rater for one in study} | {one.rater_id for one in own_pairs}
    return Evaluation(
        rows=tuple(rows),
        quality=quality(stood.showings, all_pairs, spans, planted, resampling),
        blinding=blinding,
        modes=tuple(modes),
        n_cases=len(cases),
        n_raters=len(raters),
        n_showings=len(study),
        resampling=resampling,
        warnings=caveats(
            rows=rows,
            blinding=blinding,
            n_cases=len(cases),
            n_raters=len(raters),
            n_showings=len(study),
            n_unblinded=sum(not showing.blinded for showing in study),
            n_conflicting=stood.n_conflicting,
            n_both_unacceptable=sum(one.both_unacceptable for one in own_pairs if one.axis == OVERALL),
            modes=modes,
        ),
    )


def _with_adjusted_p(rows: Sequence[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for family, method, primary in ((PRIMARY, HOLM, True), (SECONDARY, BENJAMINI_HOCHBERG, False)):
        own = {one.outcome.id: one for one in rows if (one.outcome.id in PRIMARY_FAMILY) is primary}
        p: dict[str, Number] = {
            name: one.test if isinstance(one.test, NA) else one.test.p for name, one in own.items()
        }
        for name, value in adjusted(p, method).items():
            found[name] = replace(own[name], p_adjusted=value, adjust_method=method, family=family)
    return [found[one.outcome.id] for one in rows]
