"""The secondary model of each axis as a table: a row a term, or one row with the reason why there is none."""

import math
from collections.abc import Iterator

from medreason.domain.pack_columns import SECONDARY_MODEL
from medreason.services.assessing import Assessment
from medreason.services.pack.tables import Record, Table
from medreason.stats.estimate import NA, Estimate, Number


def secondary_table(made: Assessment) -> Table:
    return Table("secondary_model", SECONDARY_MODEL, list(_rows(made)))


def _rows(made: Assessment) -> Iterator[Record]:
    for model in made.models:
        about = {
            "outcome": model.axis,
            "n_ratings": model.n_ratings,
            "n_cases": model.n_cases,
            "left_out": ";".join(model.left_out) or None,
            "reason": model.reason or None,
        }
        if not model.terms:
            nothing = dict.fromkeys(("term", "log_odds", "ci_low", "ci_high", "odds_ratio"))
            yield about | nothing
        for term, found in model.terms.items():
            yield about | {"term": term, **_numbers(found)}


def _numbers(found: Estimate) -> Record:
    value = _plain(found.value)
    ratio = None if value is None else math.exp(value)
    return {"log_odds": value, "ci_low": _plain(found.low), "ci_high": _plain(found.high), "odds_ratio": ratio}


def _plain(number: Number) -> float | None:
    return None if isinstance(number, NA) else number
