"""The evaluation from records: what is counted, what is left out, and what must not matter."""

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.domain.arms import ARMS, Arm, Side
from medreason.errors import Invalid
from medreason.stats.bootstrap import Resampling
from medreason.stats.columns import table
from medreason.stats.estimate import NA, Estimate, Interval
from medreason.stats.evaluation import Evaluation, evaluate
from medreason.stats.records import (
    ANSWER_ONLY,
    TICK,
    GenerationRecord,
    PairRecord,
    PlantedError,
    RatingRecord,
    SpanRecord,
)

QUICK = Resampling(n_boot=99)
AXES = ("D", "F", "H")
BASELINE, FINETUNED = ARMS


def score(case: str, rater: str, arm: Arm, value: int | None, item: str = "D", **others) -> RatingRecord:
    presentation = others.pop("presentation_id", f"{case}/{rater}")
    side = others.pop("side", Side.LEFT if arm is BASELINE else Side.RIGHT)
    return RatingRecord(rater, case, arm, item, value, presentation_id=presentation, side=side, **others)


def rated(
    case: str, rater: str, baseline: int | None, finetuned: int | None, items: Iterable[str] = AXES, **others
):
    return [
        score(case, rater, arm, value, item, **others)
        for item in items
        for arm, value in ((BASELINE, baseline), (FINETUNED, finetuned))
    ]


def yes_no(case: str, rater: str, baseline: int, finetuned: int, item: str, top: int = 1):
    return rated(case, rater, baseline, finetuned, (item,), scale_min=0, scale_max=top)


def of(*records, **others) -> Evaluation:
    flat = [one for some in records for one in (some if isinstance(some, list) else [some])]
    return evaluate(flat, resampling=QUICK, **others)


def test_by_hand_a_case_rated_by_many_weighs_as_one():
    made = of(
        rated("a", "R1", 1, 3, presentation_id="1"),
        rated("a", "R1", 3, 5, presentation_id="2"),
        rated("a", "R2", 4, 4),
        rated("b", "R1", 5, 2),
    )
    row = made.row("F")
    assert (row.baseline.mean.value, row.finetuned.mean.value, row.difference.value) == (4.0, 3.0, -1.0)
    assert (row.n_cases, row.n_raters, row.n_paired, row.n_ratings) == (2, 2, 4, 8)
    assert (row.wins, row.ties, row.losses, row.hodges_lehmann) == (1, 0, 1, -1.0)
    assert row.prob_superiority.value == ((1 + 0.5) / 2 + 0) / 2
    assert row.baseline.distribution == ((1, 1), (2, 0), (3, 1), (4, 1), (5, 1))
    assert row.finetuned.best_bin.value == (0.5 + 0) / 2 / 2
    assert row.test.p == NA("fewer than 6 cases")  # type: ignore[union-attr]


ratings = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"), st.sampled_from(["R1", "R2", "R3"]),
        st.one_of(st.none(), st.integers(1, 5)), st.one_of(st.none(), st.integers(1, 5)),
    ),
    min_size=1, max_size=20, unique_by=lambda one: one[:2],
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(ratings)
def test_means_and_wins_are_those_of_plain_sums(given_ratings):
    made = of(*(rated(*one) for one in given_ratings))
    both = [(case, f - b) for case, _, b, f in given_ratings if b is not None and f is not None]
    by_case = {case: [d for own, d in both if own == case] for case, _ in both}
    differences = [sum(own) / len(own) for own in by_case.values()]
    for axis in AXES:
        row = made.row(axis)
        assert (row.n_cases, row.n_paired) == (len(by_case), len(both))
        assert row.n_not_judgeable == len(given_ratings) - len(both)
        if not both:
            assert row.difference.value == NA("nobody could judge both arms")
        else:
            assert row.difference.value == pytest.approx(sum(differences) / len(differences), abs=1e-9)
            signs = [(d > 1e-9) - (d < -1e-9) for d in differences]
            assert (row.wins, row.ties, row.losses) == (signs.count(1), signs.count(0), signs.count(-1))


def test_nothing_rated_and_nothing_asked():
    empty = of()
    assert {str(row.difference.value) for row in empty.rows} == {"NA"} and empty.warnings == ()
    assert empty.row("D").difference == Estimate.missing("no ratings yet")
    essential = of(*(rated(f"c{i}", "R", 3, 4) for i in range(3)))
    for outcome in ("harm", "omission", "answer_right", "any_hallucination", "coherence", "time"):
        assert essential.row(outcome).difference == Estimate.missing("not asked in this study")
        assert essential.row(outcome).warnings == ()
    assert essential.row("preference").difference == Estimate.missing("no ratings yet")
    unjudged = of(rated("a", "R", None, 3))
    assert unjudged.row("D").difference == Estimate.missing("nobody could judge both arms")


def test_all_equal_ratings():
    row = of(*(rated(f"c{i}", r, 4, 4) for i in range(12) for r in ("R1", "R2"))).row("D")
    assert (row.difference.value, row.test.p, row.hodges_lehmann) == (0.0, 1.0, 0.0)  # type: ignore[union-attr]
    assert (row.wins, row.ties, row.prob_superiority.value) == (0, 12, 0.5)
    assert row.difference.interval == NA("no variation between cases")
    assert row.rank_biserial.value == NA("no case differs between the arms")
    assert row.agreement.scores.alpha.value == NA("the ratings do not vary enough")


def test_repeating_every_rater_leaves_the_cases_and_the_interval_as_they_are():
    once = [rated(f"c{i:02}", "R1", 1 + i % 4, 2 + i % 3) for i in range(12)]
    again = [replace(one, presentation_id=one.presentation_id + "again") for some in once for one in some]
    ours, theirs = of(*once).row("D"), of(*once, again).row("D")
    assert (theirs.n_cases, theirs.n_paired) == (12, 24)
    assert theirs.difference == ours.difference and theirs.test == ours.test


def test_only_the_latest_revision_of_the_chosen_mode_counts():
    made = of(
        rated("a", "R", 1, 1),
        rated("a", "R", 2, 4, revision_no=2),
        rated("b", "R", 1, 5, superseded=True),
        rated("c", "R", 1, 5, mode="exploratory"),
        rated("d", "R", 1, 5, mode="training"),
    )
    assert (made.row("D").n_cases, made.row("D").difference.value) == (1, 2.0)
    both = of(
        rated("a", "R", 2, 4), rated("c", "R", 1, 5, mode="exploratory"), modes=("confirmatory", "exploratory")
    )
    assert both.row("D").difference.value == 3.0 and any("exploratory" in said for said in both.warnings)
    assert table(both)[0]["analysis_set"] == "confirmatory+exploratory"


def test_two_values_under_one_revision_are_averaged_and_told():
    made = of(rated("a", "R", 2, 4), rated("a", "R", 2, 2))
    assert made.row("D").difference.value == 1.0
    assert any("given twice with different values" in said for said in made.warnings)


def test_controls_and_repeats_stay_out_of_the_table():
    made = of(
        rated("a", "R", 2, 4),
        *(
            rated(kind, "R", 1, 5, case_kind=kind)
            for kind in ("repeat", "gold_planted", "gold_fake", "gold_instr")
        ),
    )
    assert (made.row("D").n_cases, made.n_cases, made.row("D").difference.value) == (1, 1, 2.0)


def test_phases_are_chosen_alike_for_both_arms():
    before = {"phase": ANSWER_ONLY}
    made = of(
        rated("a", "R", 2, 4, **before),
        rated("a", "R", 3, 3),
        score("b", "R", BASELINE, 1, "F", **before),
        rated("b", "R", 2, 5, ("F",)),
    )
    assert made.row("F").difference.value == (2 + 3) / 2  # b has both arms only with the thinking
    assert (made.row("D").difference.value, made.row("D").n_cases) == (0.0, 1)
    shift = made.row("F_phase_shift")
    assert (shift.baseline.mean.value, shift.finetuned.mean.value, shift.difference.value) == (1.0, -1.0, -2.0)


def test_yes_and_no():
    made = of(
        *(yes_no(f"c{i}", "R", 2, 1 + (i < 8), "final_answer_correct", 2) for i in range(12)),
        *(yes_no(f"c{i}", "R", i % 2, 0, "harm_extent", 3) for i in range(12)),
    )
    right, harm = made.row("answer_right"), made.row("harm")
    assert (right.baseline.mean.value, right.finetuned.mean.value) == (1.0, pytest.approx(8 / 12))
    assert right.finetuned.mean.method == "Wilson" and right.difference.method == "Newcombe"
    assert (right.wins, right.ties, right.losses) == (0, 8, 4)
    assert (right.test.test, right.test.p) == ("McNemar", 0.125)  # type: ignore[union-attr]
    assert (harm.wins, harm.difference.value, harm.outcome.direction) == (6, -0.5, -1)
    assert right.family == "secondary" and right.adjust_method == "Benjamini–Hochberg"
    assert "arms Wilson; difference Newcombe" in str(table(made)[4]["ci_method"])


def marked(case: str, arm: Arm, severity: int = 1, type_: str = "fabricated_fact", **others) -> SpanRecord:
    return SpanRecord("R", case, arm, type_, severity, f"{case}-{arm}", **others)


def test_no_mark_without_the_tick_is_missing_not_none():
    def texts(case: str, ticked: Iterable[Arm]) -> list[RatingRecord]:
        return [score(case, "R", arm, 3, generation_id=f"{case}-{arm}") for arm in ARMS] + [
            score(case, "R", arm, 1, TICK, scale_min=0, generation_id=f"{case}-{arm}") for arm in ticked
        ]

    made = of(
        texts("a", ARMS),
        *(texts(case, [FINETUNED]) for case in "bce"),
        texts("d", ()),
        spans=[
            *(marked("b", BASELINE, 3), marked("b", BASELINE)),
            marked("c", BASELINE, 4, basis="cannot verify"),
            marked("e", BASELINE, 4, "omission"),
            replace(marked("a", FINETUNED), generation_id="another text"),
        ],
        generations=[GenerationRecord(f"{case}-{arm}", 300, 200) for case in "abcd" for arm in ARMS],
    )
    count, any_, major = (
        made.row(name) for name in ("hallucinations_per_answer", "any_hallucination", "major_hallucination")
    )
    assert (count.n_cases, count.n_missing) == (3, 2)  # d has neither mark nor tick, e only an omission
    assert (count.baseline.mean.value, count.finetuned.mean.value) == (pytest.approx(2 / 3), 0.0)
    assert any_.baseline.mean.value == major.baseline.mean.value == pytest.approx(1 / 3)
    assert (count.wins, any_.wins) == (1, 1)
    rate = made.row("hallucinations_per_1000_tokens")
    assert (rate.baseline.mean.value, rate.difference.value) == (pytest.approx(4 / 3), pytest.approx(-4 / 3))
    assert isinstance(rate.test, NA)


def test_many_marks_are_one_category_for_agreement():
    records, spans = [], []
    for c in range(3):
        for rater in "RS":
            for arm in ARMS:
                records.append(score(f"c{c}", rater, arm, 1, TICK, scale_min=0, generation_id=f"c{c}-{arm}"))
                marks = [marked(f"c{c}", arm)] * (40 * c + (rater == "S"))
                spans += [replace(one, rater_id=rater) for one in marks]
    row = of(records, spans=spans).row("hallucinations_per_answer")
    assert row.baseline.mean.value == pytest.approx(40.5)
    assert row.agreement.scores.exact.value == pytest.approx(2 / 3)
    assert row.agreement.scores.within_one.value == 1.0


def test_preference_sides_and_guesses():
    pairs = [PairRecord("R", f"c{i:02}", 2 if i < 14 else -1, ARMS[i % 2], arm_guess="left") for i in range(20)]
    made = evaluate([], pairs, resampling=QUICK)
    row = made.row("preference")
    assert (row.wins, row.ties, row.losses, row.n_cases) == (14, 0, 6, 20)
    assert row.log_odds.value == pytest.approx(0.847298, abs=1e-6) and isinstance(row.log_odds.interval, Interval)
    assert isinstance(row.baseline.mean.value, NA) and row.finetuned.distribution[5] == (2, 14)
    assert row.side_bias.left + row.side_bias.right == 20  # type: ignore[union-attr]
    assert (made.blinding.index.value, made.blinding.correct) == (0.0, 10)
    assert isinstance(row.adjusted.log_odds.value, NA)  # type: ignore[union-attr]
    per_axis = evaluate([], [replace(one, axis="H") for one in pairs], resampling=QUICK)
    assert per_axis.row("preference_H").wins == 14
    assert pairs[0].left_right == 2 and pairs[1].left_right == -2


def test_raters_are_judged_by_repeats_planted_errors_and_pairs_of_one_arm():
    repeats = [
        *(rated(f"c{i}", "R", 2, 4) for i in range(3)),
        *(rated(f"c{i}-again", "R", 2, 4 + (i == 0), case_kind="repeat", repeat_of=f"c{i}") for i in range(3)),
    ]
    same_arm = [
        score("aa", "R", BASELINE, 3 + (side is Side.LEFT), item, side=side, case_kind="gold_aa")
        for item in AXES
        for side in Side
    ]
    made = of(
        *(*repeats, same_arm),
        *(rated(case, "R", 3, 3, case_kind="gold_planted") for case in ("p1", "p2")),
        pairs=[PairRecord("R", "aa", 0, BASELINE, raw_left_right=-1, case_kind="gold_aa")],
        spans=[SpanRecord("R", "p1", BASELINE, "fabricated_fact", 3, target="trace", start=5, end=9),
               SpanRecord("R", "p2", BASELINE, "fabricated_fact", 3, target="trace", start=9, end=12)],
        planted=[PlantedError("p1", BASELINE, "trace", 8, 20), PlantedError("p2", BASELINE, "trace", 0, 9)],
    )  # fmt: skip
    (rater,) = made.quality.raters
    assert (rater.n_cases, rater.n_repeats, rater.repeat_exact) == (3, 18, pytest.approx(15 / 18))
    assert (rater.repeat_within_one, rater.same_arm_gap) == (1.0, 1.0)
    assert (rater.planted_found.value, rater.n_planted) == (0.5, 2)
    assert made.quality.repeats["D"].exact.value == pytest.approx(5 / 6)
    assert made.quality.same_arm_bias.left == 1
    assert of(rated("a", "R", 1, 2)).quality.raters[0].repeat_exact == NA("no case was shown twice")


def test_a_repeat_is_compared_with_the_same_two_answers_where_a_case_has_several():
    def shown(sample: int, baseline: int, finetuned: int, **more) -> list[RatingRecord]:
        kind = more.get("case_kind", "study")
        return [
            score(
                "c",
                "R",
                arm,
                value,
                "D",
                presentation_id=f"{kind}{sample}",
                generation_id=f"{arm}{sample}",
                **more,
            )
            for arm, value in zip(ARMS, (baseline, finetuned), strict=True)
        ]

    made = of(shown(1, 2, 4), shown(2, 5, 5), shown(1, 2, 4, case_kind="repeat", repeat_of="c"))
    (rater,) = made.quality.raters
    assert (rater.n_repeats, rater.repeat_exact) == (2, 1.0)
    unknown = of(shown(1, 2, 4), shown(2, 5, 5), shown(3, 2, 4, case_kind="repeat", repeat_of="c"))
    assert unknown.quality.raters[0].n_repeats == 0


def test_several_planted_errors_of_one_text_are_found_or_missed_each_by_itself():
    def mark(rater: str, start: int, end: int) -> SpanRecord:
        return SpanRecord(rater, "p", BASELINE, "fabricated_fact", 3, start=start, end=end)

    made = of(
        *(rated("p", rater, 3, 3, case_kind="gold_planted") for rater in "AB"),
        spans=[mark("A", 0, 6), mark("A", 12, 13), mark("B", 20, 30)],
        planted=[PlantedError("p", BASELINE, "answer", *place) for place in ((5, 8), (10, 14), (28, 29))],
    )
    assert [(one.found_by, one.missed_by) for one in made.quality.planted] == [
        (("A",), ("B",)), (("A",), ("B",)), (("B",), ("A",)),
    ]  # fmt: skip
    assert [(one.n_planted, one.planted_found.value) for one in made.quality.raters] == [
        (3, pytest.approx(2 / 3)), (3, pytest.approx(1 / 3)),
    ]  # fmt: skip


def test_time_is_compared_only_where_it_was_taken_for_each_answer():
    apart = of(
        *(score("a", "R", arm, 3, phase=phase, active_ms=time) for arm, phase, time in (
            (BASELINE, ANSWER_ONLY, 4_000), (BASELINE, "with_trace", 6_000), (FINETUNED, "with_trace", 7_500)
        )),
        score("a", "R", BASELINE, 3, "F", active_ms=6_000),
    ).row("time")  # fmt: skip
    assert (apart.baseline.mean.value, apart.finetuned.mean.value, apart.difference.value) == (10.0, 7.5, -2.5)
    together = of(rated("a", "R", 2, 4, active_ms=9_000)).row("time")
    assert together.baseline.mean.value == 9.0
    assert together.difference == Estimate.missing("taken for the pair as a whole, not for each answer")


def test_sensitivity_by_confidence_and_by_guess():
    made = evaluate(
        [*rated("a", "R", 2, 4, confidence=5), *rated("b", "R", 2, 2, confidence=2)],
        [PairRecord("R", "b", 1, BASELINE, arm_guess="dk"), PairRecord("R", "a", 1, BASELINE, arm_guess="left")],
        resampling=QUICK,
    )
    sensitivity = made.row("D").sensitivity
    assert not isinstance(sensitivity, NA)
    assert (sensitivity.sure, sensitivity.n_sure, sensitivity.unguessed, sensitivity.n_unguessed) == (
        2.0,
        1,
        0.0,
        1,
    )


def test_warnings_are_in_words():
    few = of(*(rated(f"c{i}", "R", 2, 4, blinded=False) for i in range(3)))
    assert any("estimates only" in said for said in few.warnings)
    assert any("One rater only" in said for said in few.warnings)
    assert any(said.startswith("3 of 3 ratings were given by somebody") for said in few.warnings)
    assert few.row("D").warnings == ("Fewer than 6 cases: no test.",)
    six = of(*(rated(f"c{i}", r, 5, 5) for i in range(6) for r in "RS"))
    assert any("no axis can reach significance" in said for said in six.warnings)
    assert any("at the top" in said for said in six.row("D").warnings)
    seen = [PairRecord("R", f"c{i}", 1, BASELINE, arm_guess="right") for i in range(12)]
    leaning = [replace(one, arm_guess="left" if i == 0 else "right") for i, one in enumerate(seen)]
    assert any("blinding did not hold" in said for said in evaluate([], leaning, resampling=QUICK).warnings)
    assert any("One side was favoured" in said for said in evaluate([], seen, resampling=QUICK).warnings)


def test_a_record_that_cannot_be_is_refused_with_every_fault():
    with pytest.raises(Invalid) as told:
        RatingRecord("", "c", "both", "D", 6, mode="live", confidence=9)  # type: ignore[arg-type]
    for word in ("rater", "arm", "mode", "confidence", "D is 6"):
        assert word in str(told.value)
    for broken in (
        lambda: PairRecord("R", "c", 4, BASELINE),
        lambda: SpanRecord("R", "c", BASELINE, "x", 5),
        lambda: SpanRecord("R", "c", BASELINE, "x", 1, start=4, end=2),
        lambda: score("c", "R", BASELINE, True),
    ):
        with pytest.raises(Invalid):
            broken()


def test_files_without_presentations_or_sides():
    records = [RatingRecord("R", f"c{i}", arm, "D", 2 + (arm is FINETUNED)) for i in range(7) for arm in ARMS]
    row = evaluate(records, resampling=QUICK).row("D")
    assert (row.n_cases, row.wins, row.test.p) == (7, 7, 2 / 2**7)  # type: ignore[union-attr]
    assert row.side_bias == NA("sides were not recorded")
    assert math.isclose(row.p_adjusted, 2 / 2**7)  # type: ignore[arg-type]
