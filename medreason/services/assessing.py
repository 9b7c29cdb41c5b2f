"""Everything that can be said of a study at once: evaluation, agreement on passages, cases, warnings.

Takes seconds where there are thousands of ratings; whoever shows it computes it in the background.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from medreason.domain.pack import PackData
from medreason.services import in_words
from medreason.services.evaluating import records
from medreason.services.readable import Readable, readable
from medreason.stats.bootstrap import DEFAULT, Resampling
from medreason.stats.by_case import CaseValue
from medreason.stats.evaluation import Evaluation, evaluate
from medreason.stats.ordinal_model import OrdinalModel, ordinal_models
from medreason.stats.span_agreement import SpanAgreement, span_agreement


@dataclass(frozen=True)
class Assessment:
    """The numbers of `data`, which they all rest on. `models` are secondary, and none before unblinding; `cases`
    by outcome id."""

    data: PackData
    evaluation: Evaluation
    spans: SpanAgreement
    models: tuple[OrdinalModel, ...]
    warnings: tuple[str, ...]

    @cached_property
    def cases(self) -> Mapping[str, tuple[CaseValue, ...]]:
        return {row.outcome.id: row.cases for row in self.evaluation.rows}

    @property
    def readable(self) -> Readable:
        return readable(self.evaluation, self.warnings)


def assess(data: PackData, resampling: Resampling = DEFAULT) -> Assessment:
    """Raises `Invalid` where a row holds what no rating can be."""
    given = records(data)
    evaluation = evaluate(
        given.ratings, given.pairs, given.spans, given.generations, given.planted, given.modes, resampling
    )
    return Assessment(
        data=data,
        evaluation=evaluation,
        spans=span_agreement(given.ratings, given.spans, given.modes, resampling),
        models=ordinal_models(given.ratings, given.modes) if data.study.unblinded else (),
        warnings=in_words.warnings(evaluation, data),
    )
