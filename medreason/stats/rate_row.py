"""The row of hallucinations per 1,000 tokens, beside the counts and never instead of them."""

from collections.abc import Mapping
from dataclasses import replace

from medreason.stats.binary import per_thousand_tokens
from medreason.stats.bootstrap import Resampling
from medreason.stats.judgements import Judgements, case_means, grid
from medreason.stats.outcomes import COUNT, PER_1000_TOKENS, Outcome
from medreason.stats.rows import Row, empty_row

RATE = Outcome(PER_1000_TOKENS, "Hallucinations per 1,000 tokens", COUNT, -1)
NO_LENGTHS = "the lengths of the answers are not known"
NO_TEST = "a ratio of totals; the test is that of the counts"


def rate_row(counts: Judgements, tokens: Mapping[str, int], resampling: Resampling) -> Row:
    """`counts` are hallucinations per answer, `tokens` the length of each answer by its id. Rests on the
    pairs of which both lengths are known; the others count as missing."""
    as_rate = replace(counts, outcome=RATE)
    if counts.reason:
        return empty_row(as_rate, counts.reason)
    measured = counts.only(one for one in counts.judged if all(text in tokens for text in one.answers))
    if not measured.judged:
        return empty_row(as_rate, NO_LENGTHS)
    lengths = counts.only(
        replace(one, baseline=float(tokens[one.answers[0]]), finetuned=float(tokens[one.answers[1]]))
        for one in measured.judged
    )
    events, size = (case_means(some, grid(some)) for some in (measured, lengths))
    rates = per_thousand_tokens(events.baseline, events.finetuned, size.baseline, size.finetuned, resampling)
    blank = empty_row(as_rate, NO_TEST)
    return replace(
        blank,
        n_cases=len(events.baseline),
        n_raters=len(measured.raters),
        n_ratings=2 * len(measured.judged),
        n_paired=len(measured.judged),
        n_missing=counts.n_missing + len(counts.judged) - len(measured.judged),
        baseline=replace(blank.baseline, mean=rates.baseline),
        finetuned=replace(blank.finetuned, mean=rates.finetuned),
        difference=rates.difference,
    )
