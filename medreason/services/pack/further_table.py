"""What stands beside the evaluation table: every number that it has no column for, in one long table.

Distributions, shares in the best bin, Wilcoxon's test, how far the difference depends on raters, sides, length and
format, and whether the axes were told apart.
"""

from collections.abc import Iterator

from medreason.domain.pack_columns import FURTHER
from medreason.services.assessing import Assessment
from medreason.services.pack.tables import Record, Table
from medreason.stats.estimate import NA, Estimate, Number
from medreason.stats.halo import axis_correlations
from medreason.stats.outcomes import PAIRWISE, PRIMARY_FAMILY
from medreason.stats.preference import SideBias
from medreason.stats.rows import Row
from medreason.stats.sensitivity import Sensitivity

COUNTED = "ratings of "
NO_INTERVAL = NA("a plain number")


def further_table(made: Assessment) -> Table:
    return Table("further", FURTHER, list(_rows(made)))


def _rows(made: Assessment) -> Iterator[Record]:
    evaluation = made.evaluation
    for row in evaluation.rows:
        if row.n_paired:
            yield from _counts(row)
            yield from _tests(row)
            yield from _sensitivity(row)
            yield from _preference(row)
            yield from _sides(row.outcome.id, "left side won", row.side_bias)
    axes = [evaluation.row(axis) for axis in PRIMARY_FAMILY]
    for (one, other), (found, n) in axis_correlations(axes).items():
        yield _row("axes", f"rank correlation of {one} and {other} over answers", _plain(found), n)
    yield from _sides("controls", "left side won, two answers of one arm", evaluation.quality.same_arm_bias)


def _counts(row: Row) -> Iterator[Record]:
    for name, arm in (("baseline", row.baseline), ("fine-tuned", row.finetuned)):
        given = f", {name}" if row.outcome.kind != PAIRWISE else ""
        total = sum(n for _, n in arm.distribution)
        for point, n in arm.distribution if total else ():
            yield _row(row.outcome.id, f"{COUNTED}{point:g}{given}", _plain(float(n)), total)


def _tests(row: Row) -> Iterator[Record]:
    if row.outcome.best is not None:
        yield _row(row.outcome.id, "share in the best bin, baseline", row.baseline.best_bin, row.n_cases)
        yield _row(row.outcome.id, "share in the best bin, fine-tuned", row.finetuned.best_bin, row.n_cases)
        yield _row(row.outcome.id, "difference of shares in the best bin", row.best_bin_difference, row.n_cases)
    test = row.wilcoxon
    if isinstance(test, NA):
        return
    name = f"{test.test}{f', {test.method}' if test.method else ''}: smaller rank sum"
    yield _row(row.outcome.id, name, _plain(test.statistic), test.n_nonzero, test.p)


def _sensitivity(row: Row) -> Iterator[Record]:
    found = row.sensitivity
    if not isinstance(found, Sensitivity):
        return
    without = found.without_a_rater
    low, high = (without, without) if isinstance(without, NA) else without
    for name, end in (("lowest", low), ("highest", high)):
        yield _row(row.outcome.id, f"difference with one rater left out, {name}", _plain(end), row.n_raters)
    drawn = Estimate(row.difference.value, found.over_raters)
    yield _row(row.outcome.id, "difference, raters drawn like cases", drawn, row.n_cases)
    yield _row(row.outcome.id, "difference, confidence 4 or 5", _plain(found.sure), found.n_sure)
    unguessed = _plain(found.unguessed)
    yield _row(row.outcome.id, "difference, rater could not tell the arms", unguessed, found.n_unguessed)


def _preference(row: Row) -> Iterator[Record]:
    if row.outcome.kind != PAIRWISE or isinstance(row.adjusted, NA):
        return
    yield _row(row.outcome.id, "log-odds of preferring the fine-tuned answer", row.log_odds, row.n_paired)
    adjusted = row.adjusted
    yield _row(row.outcome.id, "the same at equal sides, length and format", adjusted.log_odds, adjusted.n_pairs)
    for name, effect in adjusted.effects.items():
        of = "standing left (half of left against right)" if name == "side" else f"one SD more {name}"
        yield _row(row.outcome.id, f"log-odds for {of}", effect, adjusted.n_pairs)


def _sides(outcome: str, name: str, bias: SideBias | NA) -> Iterator[Record]:
    if not isinstance(bias, NA):
        n = bias.left + bias.right
        yield _row(outcome, name, _plain(bias.left_share), n, bias.p)


def _row(outcome: str, measure: str, estimate: Estimate, n: int, p: Number | None = None) -> Record:
    value, limits = estimate.value, estimate.interval
    missing = [one.reason for one in (value, limits, p) if isinstance(one, NA) and one.reason]
    return {
        "outcome": outcome,
        "measure": measure,
        "value": _number(value),
        "ci_low": _number(estimate.low),
        "ci_high": _number(estimate.high),
        "ci_method": estimate.method or None,
        "p": None if p is None else _number(p),
        "n": n,
        "reason": next((reason for reason in missing if reason != NO_INTERVAL.reason), None),
    }


def _plain(number: Number) -> Estimate:
    return Estimate(number, number if isinstance(number, NA) else NO_INTERVAL)


def _number(number: Number) -> float | None:
    return None if isinstance(number, NA) else number
