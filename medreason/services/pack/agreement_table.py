"""Everything about the raters in one long table: between them, with themselves, and against what was planted."""

from collections.abc import Iterator

from medreason.domain.pack_columns import AGREEMENT
from medreason.services.assessing import Assessment
from medreason.services.pack.tables import Record, Table
from medreason.stats.coefficients import Coefficients
from medreason.stats.estimate import NA, Estimate, Number

MEASURES = {
    "alpha": "Krippendorff's alpha, ordinal",
    "ac2": "Gwet's AC2, quadratic",
    "kappa": "weighted kappa, quadratic",
    "icc_2_1": "ICC (2,1)",
    "icc_2_k": "ICC (2,k)",
    "exact": "share of pairs of ratings that are equal",
    "within_one": "share within one category",
}


def agreement_table(made: Assessment, unblinded: bool = True) -> Table:
    """Before unblinding without the guesses, which only the key can judge."""
    return Table("agreement", AGREEMENT, list(_rows(made, unblinded)))


def _rows(made: Assessment, unblinded: bool) -> Iterator[Record]:
    evaluation = made.evaluation
    for row in evaluation.rows:
        if row.n_paired:
            yield from _coefficients(row.outcome.id, "scores", row.agreement.scores)
            yield from _coefficients(row.outcome.id, "differences", row.agreement.differences)
    for axis, repeats in evaluation.quality.repeats.items():
        yield from _coefficients(axis, "repeats", repeats)
    spans = made.spans
    for name, estimate in (("F1 over marked characters", spans.f1), ("kappa of types", spans.type_kappa)):
        yield _row("hallucination", "spans", name, estimate, spans.n_answers, spans.n_raters)
    for rater in evaluation.quality.raters:
        who = f"rater {rater.rater}"
        yield _row(who, "rater", "planted errors found", rater.planted_found, rater.n_planted, 1)
        for name, number, n in (
            ("passages marked as invented or wrong", float(rater.n_marked), rater.n_showings),
            ("repeated scores equal", rater.repeat_exact, rater.n_repeats),
            ("repeated scores within one", rater.repeat_within_one, rater.n_repeats),
            ("points between two answers of one arm", rater.same_arm_gap, rater.n_showings),
        ):
            yield _row(who, "rater", name, _plain(number), n, 1)
    if unblinded:
        index = evaluation.blinding
        n = index.correct + index.wrong + index.dont_know
        yield _row("blinding", "guesses", "Bang's index", index.index, n, evaluation.n_raters)


def _coefficients(subject: str, basis: str, found: Coefficients) -> Iterator[Record]:
    for field, name in MEASURES.items():
        yield _row(subject, basis, name, getattr(found, field), found.n_units, found.n_raters)


def _row(subject: str, basis: str, measure: str, estimate: Estimate, n_units: int, n_raters: int) -> Record:
    value, limits = estimate.value, estimate.interval
    reason = next((one.reason for one in (value, limits) if isinstance(one, NA)), None)
    return {
        "subject": subject,
        "basis": basis,
        "measure": measure,
        "value": _number(value),
        "ci_low": _number(estimate.low),
        "ci_high": _number(estimate.high),
        "ci_method": estimate.method or None,
        "n_units": n_units,
        "n_raters": n_raters,
        "reason": reason,
    }


def _plain(number: Number) -> Estimate:
    return Estimate(number, number if isinstance(number, NA) else NA("a plain number, without an interval"))


def _number(number: Number) -> float | None:
    return None if isinstance(number, NA) else number
