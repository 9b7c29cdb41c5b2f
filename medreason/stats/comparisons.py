"""The rows of the preferences, and the guesses that come with the comparisons."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from medreason.domain.arms import Arm
from medreason.stats.bootstrap import Resampling
from medreason.stats.judgements import from_pairs
from medreason.stats.outcomes import PRIMARY_FAMILY, preference_outcome
from medreason.stats.preference import Comparison, adjusted_log_odds, log_odds
from medreason.stats.records import OVERALL, PairRecord
from medreason.stats.rows import Row, row
from medreason.stats.sides import sides_of_pairs

FEATURES = {"tokens": "len_tokens", "headers": "headers", "lists": "lists", "bold": "bold"}


def standing_pairs(pairs: Iterable[PairRecord], modes: Sequence[str]) -> list[PairRecord]:
    """Comparisons of the chosen modes that stand, each once, in an order of their own."""
    kept = {one for one in pairs if one.mode in modes and not one.superseded}
    return sorted(kept, key=lambda one: (one.case_id, one.rater_id, one.axis, one.pair_id, repr(one)))


def guesses_of(pairs: Iterable[PairRecord]) -> dict[tuple[str, str], bool | None]:
    """Whether each rater guessed right in each case, None for "don't know", by (rater, case). The guess may
    stand on any row of the pair; where rows differ, that of the overall preference counts."""
    return {(one.rater_id, one.case_id): one.guessed_right for one in pairs if one.arm_guess}


def preference_rows(
    pairs: Sequence[PairRecord], resampling: Resampling, guesses: Mapping[tuple[str, str], bool | None]
) -> list[Row]:
    """The overall preference, and one row for each axis on which preferences were asked."""
    by_axis: dict[str, list[PairRecord]] = defaultdict(list)
    for pair in pairs:
        by_axis[pair.axis].append(pair)
    made = []
    for axis in (OVERALL, *PRIMARY_FAMILY):
        own = by_axis[axis]
        if not own and axis != OVERALL:
            continue
        plain = row(from_pairs(preference_outcome(axis), own), resampling, guesses)
        if plain.n_paired:
            plain = replace(
                plain,
                side_bias=sides_of_pairs(own),
                log_odds=log_odds(plain.prob_superiority),
                adjusted=adjusted_log_odds([_comparison(one) for one in own if one.pref_ft is not None]),
            )
        made.append(plain)
    return made


def _comparison(pair: PairRecord) -> Comparison:
    preference = pair.pref_ft or 0
    finetuned_left = pair.left_arm == Arm.FINETUNED
    features = {}
    for name, column in FEATURES.items():
        left, right = getattr(pair, f"{column}_left"), getattr(pair, f"{column}_right")
        if left is not None and right is not None:
            more = left - right if finetuned_left else right - left
            features[name] = more / (left + right + 1)
    return Comparison(pair.case_id, 0.5 + 0.5 * ((preference > 0) - (preference < 0)), finetuned_left, features)
