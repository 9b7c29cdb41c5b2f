"""What must not matter to the evaluation, and what must never come out of it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.domain.arms import ARMS, Arm, Side
from medreason.stats.bootstrap import Resampling
from medreason.stats.columns import COLUMNS, table
from medreason.stats.estimate import NA, Interval
from medreason.stats.evaluation import evaluate
from medreason.stats.records import ANSWER_ONLY, TICK, WITH_TRACE, PairRecord, RatingRecord, SpanRecord

QUICK = Resampling(n_boot=99)
AXES = ("D", "F", "H")
BASELINE, FINETUNED = ARMS


def score(case: str, rater: str, arm: Arm, value: int | None, item: str = "D", **others) -> RatingRecord:
    return RatingRecord(rater, case, arm, item, value, **{"presentation_id": f"{case}/{rater}", **others})


def study(n: int = 11, raters: int = 3) -> tuple[list[RatingRecord], list[PairRecord]]:
    """A small study with some structure, and no randomness."""
    records, pairs = [], []
    for c in range(n):
        for r in range(raters):
            case, rater, left = f"c{c:02}", f"R{r}", FINETUNED if (c + r) % 2 else BASELINE
            baseline, finetuned = 1 + (c * 3 + r) % 4, 1 + (c * 3 + r + (c % 3 > 0) + (r * c) % 2) % 5
            for arm, value in ((BASELINE, baseline), (FINETUNED, finetuned)):
                side = Side.LEFT if arm is left else Side.RIGHT
                for item in AXES:
                    records.append(score(case, rater, arm, value, item, side=side, confidence=1 + (c + r) % 5))
                records.append(score(case, rater, arm, 1, TICK, side=side, scale_min=0))
            preference = max(-3, min(3, finetuned - baseline))
            guess = ("left", "right", "dk")[(c + r) % 3]
            pairs.append(PairRecord(rater, case, preference, left, arm_guess=guess))
    return records, pairs


def test_order_of_records_and_records_given_twice_change_nothing():
    records, pairs = study()
    first = table(evaluate(records, pairs, resampling=QUICK))
    assert table(evaluate(records[::-1], pairs[::-1], resampling=QUICK)) == first
    assert table(evaluate(records * 2, pairs * 2, resampling=QUICK)) == first


def test_names_of_raters_and_cases_change_nothing():
    records, pairs = study()
    names = {"R0": "Z", "R1": "A", "R2": "M", **{f"c{c:02}": f"{(c * 7) % 11}" for c in range(11)}}
    renamed = [
        [
            replace(
                one, rater_id=names[one.rater_id], case_id=names[one.case_id],
                **({"presentation_id": one.presentation_id + "x"} if isinstance(one, RatingRecord) else {}),
            )
            for one in some
        ]
        for some in (records, pairs)
    ]  # fmt: skip
    for one, other in zip(
        table(evaluate(records, pairs, resampling=QUICK)), table(evaluate(*renamed, resampling=QUICK)), strict=True
    ):
        for column in COLUMNS:
            if isinstance(one[column], float) and not column.startswith(("alpha_ci", "ac2_ci")):
                assert other[column] == pytest.approx(one[column], abs=1e-8), column


def test_raters_who_only_repeat_another_add_no_case_and_narrow_no_interval():
    records, pairs = study()
    copied = [
        [
            replace(
                one, rater_id=f"{one.rater_id}-again",
                **({"presentation_id": f"{one.presentation_id}-again"} if isinstance(one, RatingRecord) else {}),
            )
            for one in some
        ]
        for some in (records, pairs)
    ]  # fmt: skip
    alone = evaluate(records, pairs, resampling=QUICK)
    both = evaluate([*records, *copied[0]], [*pairs, *copied[1]], resampling=QUICK)
    for outcome in (*AXES, "any_hallucination", "preference"):
        one, other = alone.row(outcome), both.row(outcome)
        assert (other.n_cases, other.n_raters) == (one.n_cases, 2 * one.n_raters)
        for name in ("difference", "best_bin_difference", "prob_superiority", "rank_biserial", "test", "wilcoxon"):
            assert getattr(other, name) == getattr(one, name), (outcome, name)


def swapped(records: list[RatingRecord], pairs: list[PairRecord]):
    return [replace(one, arm=Arm(one.arm).other) for one in records], [
        replace(one, left_arm=Arm(one.left_arm).other, pref_ft=None if one.pref_ft is None else -one.pref_ft)
        for one in pairs
    ]


def test_swapping_the_arms_flips_every_effect_and_keeps_every_p():
    records, pairs = study()
    ours, theirs = (evaluate(*some, resampling=QUICK) for some in ((records, pairs), swapped(records, pairs)))
    for one, other in zip(ours.rows, theirs.rows, strict=True):
        if isinstance(one.difference.value, NA):
            assert one.difference == other.difference
            continue
        assert other.difference.value == pytest.approx(-one.difference.value, abs=1e-9)
        assert (one.wins, one.losses) == (other.losses, other.wins)
        assert one.baseline.mean.value == other.finetuned.mean.value or one.outcome.kind == "pairwise"
        assert other.prob_superiority.value == pytest.approx(1 - one.prob_superiority.value, abs=1e-9)
        assert one.test.p == other.test.p and one.p_adjusted == other.p_adjusted  # type: ignore[union-attr]
        ours_alpha, theirs_alpha = one.agreement.scores.alpha, other.agreement.scores.alpha
        assert theirs_alpha.value == pytest.approx(ours_alpha.value)
        assert theirs_alpha == ours_alpha or one.outcome.kind == "pairwise"
        if isinstance(one.difference.interval, Interval):
            assert other.difference.low == pytest.approx(-one.difference.high, abs=1e-9)  # type: ignore[operator]
    assert ours.blinding.index.value == pytest.approx(-theirs.blinding.index.value)  # type: ignore[operator]


def test_sides_shown_the_other_way_round_give_identical_numbers():
    records, pairs = study()
    turned = [replace(one, side=Side.RIGHT if one.side is Side.LEFT else Side.LEFT) for one in records]
    guesses = {"left": "right", "right": "left", "dk": "dk"}
    pairs_turned = [
        replace(one, left_arm=Arm(one.left_arm).other, arm_guess=guesses[one.arm_guess]) for one in pairs
    ]
    ours, theirs = (
        table(evaluate(*some, resampling=QUICK)) for some in ((records, pairs), (turned, pairs_turned))
    )
    for one, other in zip(ours, theirs, strict=True):
        differing = {column for column in COLUMNS if one[column] != other[column]}
        assert differing <= {"left_side_share", "ladj_ci_low", "ladj_ci_high", "length_adjusted_logodds"}


cell = st.one_of(st.none(), st.integers(1, 5))
anything = st.lists(
    st.builds(
        score, st.sampled_from("abcdefghijkl"), st.sampled_from(["R1", "R2", "R3"]), st.sampled_from(ARMS), cell,
        st.sampled_from(["D", "F", "H", "trace_consistent", "harm_extent", "sub_problem"]),
        phase=st.sampled_from([ANSWER_ONLY, WITH_TRACE]), confidence=st.one_of(st.none(), st.integers(1, 5)),
        active_ms=st.one_of(st.none(), st.integers(0, 99_999)), presentation_id=st.sampled_from(["", "1", "2"]),
        revision_no=st.integers(1, 2), case_kind=st.sampled_from(["study", "study", "repeat", "gold_aa"]),
    ),
    max_size=60,
)  # fmt: skip
some_pairs = st.lists(
    st.builds(
        PairRecord, st.sampled_from(["R1", "R2"]), st.sampled_from("abcdefghijkl"),
        st.one_of(st.none(), st.integers(-3, 3)), st.sampled_from(ARMS), axis=st.sampled_from(["overall", "D"]),
        arm_guess=st.sampled_from(["", "left", "right", "dk"]), len_tokens_left=st.integers(0, 50),
        len_tokens_right=st.integers(0, 50),
    ),
    max_size=20,
)  # fmt: skip
some_spans = st.lists(
    st.builds(
        SpanRecord, st.sampled_from(["R1", "R2"]), st.sampled_from("abcdefghijkl"), st.sampled_from(ARMS),
        st.sampled_from(["omission", "fabricated_fact"]), st.integers(1, 4),
        basis=st.sampled_from(["own knowledge", "cannot verify"]),
    ),
    max_size=10,
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(anything, some_pairs, some_spans, st.randoms())
def test_whatever_comes_in_nothing_is_nan_and_everything_missing_has_a_reason(records, pairs, spans, random):
    made = evaluate(records, pairs, spans, resampling=QUICK)
    for flat in table(made):
        assert tuple(flat) == COLUMNS
        json.dumps(flat, allow_nan=False)
        for column in ("p_raw", "p_adjusted", "prob_superiority", "left_side_share"):
            assert flat[column] is None or 0 <= flat[column] <= 1 + 1e-9  # type: ignore[operator]
    for row in made.rows:
        if row.n_cases < 6:
            assert isinstance(row.p_adjusted, NA)
        if row.n_cases < 10:
            assert isinstance(row.difference.interval, NA)
    shuffled = [random.sample(some, len(some)) for some in (records, pairs, spans)]
    assert [row.difference.value for row in evaluate(*shuffled, resampling=QUICK).rows] == [
        row.difference.value for row in made.rows
    ]


def test_the_axes_are_one_family_and_all_else_another():
    records, pairs = study()
    made = evaluate(records, pairs, resampling=QUICK)
    primary = [row for row in made.rows if row.family == "primary"]
    assert [row.outcome.id for row in primary] == list(AXES)
    assert {row.adjust_method for row in primary} == {"Holm"}
    assert all(row.p_adjusted == pytest.approx(min(1, 3 * row.test.p)) for row in primary)  # type: ignore[union-attr]
