"""What stands folded below the evaluation table: further numbers, the gravest marks, the secondary model, and how
good the ratings are. Pure."""

import math
from collections.abc import Mapping

from medreason.domain.arms import Arm
from medreason.services.assessing import Assessment
from medreason.services.in_words import listed
from medreason.services.pack.agreement_table import agreement_table
from medreason.services.pack.further_table import COUNTED, further_table
from medreason.services.reading import counted, minus
from medreason.services.table_cells import NONE, p_value, plain, with_interval
from medreason.stats.estimate import NA, Estimate
from medreason.stats.outcomes import ORDINAL
from medreason.stats.records import OMISSION
from medreason.stats.rows import Row
from medreason.ui.results_markup import escaped, fold

GRAVEST = 4


def quality(made: Assessment) -> str:
    """How good the ratings are, behind a fold: everything about raters, sides and blinding that has a number."""
    measured = [row for row in agreement_table(made).rows if row["value"] is not None]
    rows = "".join(
        f'<tr><th scope="row">{escaped(_label(str(row["subject"]), made))}</th>'
        f"<td>{escaped(str(row['measure']))}, {escaped(str(row['basis']))}</td><td>{_interval(row)}</td>"
        f"<td>{row['n_units']:,}</td></tr>"
        for row in measured
    )
    sides = "".join(
        f'<tr><th scope="row">{escaped(row.outcome.label)}</th><td>share that the left side won</td>'
        f"<td>{minus(bias.left_share, 2)} (p {p_value(bias.p)})</td><td>{bias.left + bias.right:,}</td></tr>"
        for row in made.evaluation.rows
        if not isinstance(bias := row.side_bias, NA) and not isinstance(bias.left_share, NA)
    )
    if not rows and not sides:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Of", "Measure", "Number (95 % CI)", "n"))
    return fold(
        "How good the ratings are",
        '<div class="results-scroll" tabindex="0" role="region" aria-label="How good the ratings are">'
        '<table class="mr-table results-small results-words" aria-label="How good the ratings are">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}{sides}</tbody></table></div>",
    )


def further(made: Assessment) -> str:
    """Everything beside the table behind a fold: medians, Wilcoxon's test, and what the difference depends on."""
    rows = "".join(
        f'<tr><th scope="row">{escaped(_label(str(row["outcome"]), made))}</th>'
        f"<td>{escaped(str(row['measure']))}{_why(row)}</td><td>{_interval(row) or NONE}</td>"
        f"<td>{p_value(p) if isinstance(p := row['p'], float) else ''}</td><td>{row['n']:,}</td></tr>"
        for row in further_table(made).rows
        if not str(row["measure"]).startswith(COUNTED)
    )
    medians = "".join(map(_medians, (row for row in made.evaluation.rows if row.outcome.kind == ORDINAL)))
    if not medians and not rows:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Of", "Measure", "Number (95 % CI)", "p", "n"))
    return fold(
        "Medians, best ratings, and how far the numbers hold",
        '<p class="mr-note">p is not adjusted here. Distributions are drawn below and counted in the pack.</p>'
        '<div class="results-scroll" tabindex="0" role="region" aria-label="Further numbers">'
        '<table class="mr-table results-small results-words" aria-label="Further numbers">'
        f"<thead><tr>{head}</tr></thead><tbody>{medians}{rows}</tbody></table></div>",
    )


def gravest(made: Assessment) -> str:
    """Every single mark of the gravest severity: a mean would hide it."""
    marks = [span for span in made.data.spans if span.severity == GRAVEST and span.type != OMISSION]
    if not marks:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><button type="button" class="results-drill" data-case="{escaped(one.case_id)}">'
        f"{escaped(one.case_id)}</button></th><td>{escaped(Arm(one.arm).label)}</td>"
        f"<td>{escaped(one.rater_id)}</td><td>{escaped(' '.join(one.quote.split()))}</td>"
        f"<td>{escaped(one.type.replace('_', ' '))}, {escaped(one.basis)}</td></tr>"
        for one in sorted(marks, key=lambda one: (one.case_id, one.arm, one.rater_id, one.start))
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("Case", "Answer of", "Rater", "Words", "Kind, basis")
    )
    return fold(
        f"{counted(len(marks), 'mark')} of what could cause serious harm",
        '<div class="results-scroll" tabindex="0" role="region" aria-label="Gravest marks">'
        '<table class="mr-table results-small results-told" aria-label="Gravest marks">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>",
    )


def secondary(made: Assessment) -> str:
    """The secondary model of each axis behind a fold, or why there is none."""
    if not any(model.n_ratings for model in made.models):
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(_label(model.axis, made))}</th>{_term(name, found)}'
        f"<td>{model.n_cases:,} × {model.n_ratings:,}</td></tr>"
        for model in made.models
        for name, found in model.terms.items()
    )
    by_reason: dict[str, list[str]] = {}
    for model in made.models:
        if model.reason:
            by_reason.setdefault(model.reason, []).append(_label(model.axis, made).lower())
    missing = "".join(
        f'<p class="mr-note">{escaped(f"No model of {listed(axes)}: {reason}.")}</p>'
        for reason, axes in by_reason.items()
    )
    names = ("Axis", "Term", "Odds ratio of a higher score (95 % CI)", "cases × scores")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    table = (
        f'<table class="mr-table results-small results-words" aria-label="Secondary model">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
    return fold(
        "Secondary model of the scores",
        '<p class="mr-note">A check of the table above, which it does not replace: a cumulative logit of the '
        "scores on arm, side, phase and order, with cases as clusters. 1 is no difference, more than 1 higher.</p>"
        f"{table if rows else ''}{missing}",
    )


def _medians(row: Row) -> str:
    """Medians with quartiles of both arms, and what the difference is beside its mean."""
    if not row.n_paired:
        return ""
    shown = [
        (f"median of cases (quartiles), {name}", f"{plain(arm.median)} ({plain(arm.q1)} to {plain(arm.q3)})")
        for name, arm in (("baseline", row.baseline), ("fine-tuned", row.finetuned))
    ]
    shown += [
        ("Hodges–Lehmann shift, points", plain(row.hodges_lehmann)),
        ("rank-biserial correlation", with_interval(row.rank_biserial, 2)),
    ]
    return "".join(
        f'<tr><th scope="row">{escaped(row.outcome.label)}</th><td>{name}</td><td>{value}</td><td></td>'
        f"<td>{row.n_cases:,}</td></tr>"
        for name, value in shown
    )


def _why(row: Mapping[str, object]) -> str:
    return f' <span class="mr-note results-why">{escaped(str(row["reason"]))}</span>' if row["reason"] else ""


def _term(name: str, found: Estimate) -> str:
    ratio, low, high = (
        math.exp(number) for number in (found.value, found.low, found.high) if isinstance(number, float)
    )
    return f"<td>{escaped(name)}</td><td>{ratio:.2f} ({low:.2f} to {high:.2f})</td>"


def _label(subject: str, made: Assessment) -> str:
    return next(
        (row.outcome.label for row in made.evaluation.rows if row.outcome.id == subject), subject.capitalize()
    )


def _interval(row: Mapping[str, object]) -> str:
    value, low, high = (row[name] for name in ("value", "ci_low", "ci_high"))
    if not isinstance(value, float | int):
        return ""
    limits = (
        f" ({minus(low, 2)} to {minus(high, 2)})" if isinstance(low, float) and isinstance(high, float) else ""
    )
    return f"{minus(value, 2)}{limits}"
