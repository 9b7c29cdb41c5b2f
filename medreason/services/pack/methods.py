"""The statistics paragraph of the report: says exactly what was computed, and what its intervals are worth."""

from medreason.domain.pack import PackData
from medreason.services.assessing import Assessment
from medreason.services.pack.describing import one_line
from medreason.services.reading import counted
from medreason.stats.estimate import FEW_FOR_INTERVAL, FEW_FOR_TEST, NA
from medreason.stats.outcomes import PREFERENCE
from medreason.stats.preference import FEW_FOR_MODEL, Adjusted
from medreason.stats.records import OVERALL
from medreason.stats.shares import NEWCOMBE, SEVERAL_NEWCOMBE, SEVERAL_WILSON, WILSON
from medreason.stats.significance import Significance


def methods(made: Assessment) -> str:
    """Markdown. Every sentence holds for this study; what was not computed is not described."""
    parts = [
        *(_design(made), _estimates(made), _tests(made), _preference(made), _secondary(made)),
        *(_agreement(made), _limits(made)),
    ]
    body = "\n\n".join(part for part in parts if part)
    return f"# Methods: {one_line(made.data.study.title)}\n\n{body}\n"


def blind_methods(data: PackData) -> str:
    """Before unblinding: what may be looked at, and why nothing else is here."""
    return (
        f"# Methods: {one_line(data.study.title)}\n\n"
        "The study is not unblinded. This pack holds the ratings in terms of X and Y and the agreement between "
        "raters; no comparison of the arms was computed.\n"
    )


def _design(made: Assessment) -> str:
    evaluation, study = made.evaluation, made.data.study
    rests_on = (
        f"{counted(evaluation.n_cases, 'case')} rated by {counted(evaluation.n_raters, 'rater')} "
        f"({counted(evaluation.n_showings, 'judged pair')})"
    )
    said = [
        f"The analysis set is every {' and '.join(evaluation.modes)} rating of a study case, in its latest "
        f"revision, where both arms could be judged: {rests_on}. Cannot-judge answers are missing for that row "
        "and counted. The unit of inference is the case: several answers to a case are averaged within the "
        "rater, then over the raters. Repeated cases and controls enter only the agreement of raters and the "
        "checks of quality.",
        "Factual correctness, hallucination control, harm and omission are taken from before the thinking was "
        "shown where such ratings exist, reasoning depth and coherence from after it.",
    ]
    if study.mode == "exploratory":
        said.append("These ratings are exploratory: pairs were chosen by their raters, without a protocol.")
    if study.primary:
        declared = PREFERENCE if study.primary == OVERALL else study.primary
        said.append(f"The outcome declared beforehand: {evaluation.row(declared).outcome.label.lower()}.")
    if study.planned_cases:
        said.append(f"{counted(study.planned_cases, 'case')} were planned.")
    return " ".join(said)


def _estimates(made: Assessment) -> str:
    resampling = made.evaluation.resampling
    methods = {
        method
        for row in made.evaluation.rows
        for estimate in (row.difference, row.baseline.mean, row.baseline.best_bin, row.best_bin_difference)
        if (method := estimate.method)
    }
    said = [
        "Given are means of case means with medians and quartiles, the share of ratings in the best bin, the "
        "difference fine-tuned minus baseline, cases won, tied and lost, the probability of superiority with ties "
        "halved, the Hodges–Lehmann shift and the rank-biserial correlation with Pratt's ranks."
    ]
    if made.evaluation.n_cases < FEW_FOR_INTERVAL:
        return f"{said[0]} With fewer than {FEW_FOR_INTERVAL} cases no interval is given."
    said.append(
        "95 % intervals are from a cluster bootstrap that draws cases with all their ratings "
        f"({resampling.n_boot:,} resamples, seed {resampling.seed}): bias-corrected and accelerated (BCa), plain "
        "percentiles where BCa is degenerate; the column ci_method says which. For few cases the nominal tail "
        "is widened to Φ(−√(n/(n−1))·t) with n−1 degrees of freedom (Hesterberg 2015), because plain BCa is too "
        "short there."
    )
    if methods & {WILSON, NEWCOMBE}:
        said.append(
            "Shares in which every case is one plain yes or no have Wilson's interval, their difference "
            "Newcombe's (1998, method 10)."
        )
    if methods & {SEVERAL_WILSON, SEVERAL_NEWCOMBE}:
        said.append(
            "Shares to which several raters of a case contribute have Wilson's interval with the effective "
            "sample size, cases times what the variance between them says that one is worth, and the t quantile "
            "of n−1 degrees of freedom (Korn and Graubard 1998; Franco et al. 2019); their difference puts both "
            "intervals together as Newcombe's method does, with the correlation of the arms over cases (MOVER, "
            "Zou and Donner 2008)."
        )
    return " ".join(said)


def _tests(made: Assessment) -> str:
    if made.evaluation.n_cases < FEW_FOR_TEST:
        return f"With fewer than {FEW_FOR_TEST} cases no test was made."
    used = sorted(
        {
            f"{row.test.test} ({row.test.method})"
            for row in made.evaluation.rows
            if isinstance(row.test, Significance) and row.test.method
        }
    )
    return (
        f"Tests are two-sided over one difference a case: {'; '.join(used)}. Sign-flip is Fisher's randomisation "
        "test of the mean; McNemar's exact test is used for shares, and where the raters of a case differ their "
        "mean decides on which side it counts. The p-values of reasoning depth, factual correctness and "
        "hallucination control are adjusted by Holm as one family of three; those of all other rows by "
        "Benjamini–Hochberg, as a second family."
    )


def _preference(made: Assessment) -> str:
    row = made.evaluation.row(PREFERENCE)
    if not row.n_paired:
        return ""
    said = ["The overall preference runs from −3 to 3; its log-odds are those of the probability of superiority."]
    if isinstance(row.adjusted, Adjusted) and not isinstance(row.adjusted.log_odds.value, NA):
        names = ", ".join(row.adjusted.effects) or "no feature"
        said.append(
            "Adjusted log-odds are from a logistic model with the side and the differences in length and format "
            f"({names}) as covariates, cases weighing alike and errors robust by case."
        )
    else:
        said.append(
            f"A model adjusted for side and length is fitted from {FEW_FOR_MODEL} comparisons; none was here."
        )
    return " ".join(said)


def _secondary(made: Assessment) -> str:
    if not any(model.terms for model in made.models):
        return ""
    return (
        "As a secondary check the scores of each axis were modelled by a cumulative logit of arm, side, phase and "
        "order in the queue, as far as these vary (generalised estimating equations, cases as clusters, working "
        "independence, bias-reduced sandwich errors). It replaces none of the tests above."
    )


def _agreement(made: Assessment) -> str:
    if made.evaluation.n_raters < 2:
        return "With one rater agreement cannot be told."
    said = (
        "Agreement is Krippendorff's alpha (ordinal), Gwet's AC2 and weighted kappa (both quadratic, all points "
        "of the scale counted whether used or not), intraclass correlations where every rater rated every "
        "answer, and the shares of pairs of ratings that are equal and within one point, all with intervals over "
        "cases."
    )
    if made.spans.n_answers:
        said += (
            " Marked passages are compared by character-level F1 and by kappa of the types of overlapping "
            f"passages, in {counted(made.spans.n_answers, 'answer')} that two raters searched."
        )
    return said


def _limits(made: Assessment) -> str:
    if made.evaluation.n_cases < FEW_FOR_INTERVAL:
        return ""
    return (
        "In simulated studies of 20 to 60 cases with one to five raters these intervals held the truth in 93 to "
        "97 % for differences, the probability of superiority and the difference of shares; with fewer than about "
        "five expected yes, or no, in 94 to 100 % for the difference and 91 % or more for one arm's share. "
        "Means of ordinal scores are shown beside medians and full distributions; the conclusion rests on wins, "
        "the probability of superiority and the sign-flip test. Depth scores the text that was written, not the "
        "model's computation."
    )
