"""The sentence and the table as people read them: never more than the numbers."""

from dataclasses import replace

import pytest

from medreason.domain.arms import Arm
from medreason.services.assessing import assess
from medreason.services.evaluating import evaluated
from medreason.services.in_words import (
    agreement_word,
    asked_unlike,
    length_bias,
    listed,
    sentence,
    several_models,
    warnings,
)
from medreason.services.readable import MAIN, as_markdown, as_text, readable
from medreason.services.reading import counted, minus, signed
from medreason.services.table_cells import HEAD, cells, p_value
from medreason.stats.bootstrap import Resampling
from medreason.stats.estimate import NA, Estimate, Interval
from medreason.stats.preference import Adjusted
from tests.packs import study_pack

QUICK = Resampling(n_boot=99)


def test_nothing_rated_says_so():
    assert sentence(evaluated(study_pack(0), QUICK)) == "No ratings yet."


def test_few_cases_claim_nothing():
    said = sentence(evaluated(study_pack(3, 2), QUICK))
    assert said.startswith("On 3 cases rated by 2 people, the fine-tuned answer was preferred in ")
    assert said.endswith("So few cases do not show which model is better.")


def test_only_what_is_significant_after_adjustment_is_claimed():
    made = evaluated(study_pack(40, 3), QUICK)
    said = sentence(made)
    assert "the fine-tuned model was rated higher on reasoning depth (+0." in said and "agreement was" in said
    open_rows = tuple(replace(row, p_adjusted=0.05) if row.outcome.id in ("D", "F") else row for row in made.rows)
    weaker = sentence(replace(made, rows=open_rows))
    assert "no difference was shown for reasoning depth and factual correctness" in weaker
    assert "rated higher on hallucination control" in weaker
    worse = tuple(
        replace(row, difference=Estimate(-0.5, NA("x")), p_adjusted=0.001) if row.outcome.id == "D" else row
        for row in made.rows
    )
    assert "it was rated lower on reasoning depth (−0.50 points)" in sentence(replace(made, rows=worse))


def test_agreement_has_the_usual_words():
    shown = {-0.1: "poor", 0.1: "slight", 0.3: "fair", 0.5: "moderate", 0.7: "substantial", 0.9: "almost perfect"}
    assert {alpha: agreement_word(alpha) for alpha in shown} == shown
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"


def test_one_rater_has_no_agreement():
    assert "agreement between raters cannot be told" in sentence(evaluated(study_pack(12, 1), QUICK))


def test_an_open_study_is_interim_and_earlier_looks_are_told():
    data = study_pack(8, 2, state="open")
    assert warnings(evaluated(data, QUICK), data)[0].startswith("Interim: the study is not closed")
    looked = study_pack(8, 2, interim_looks=2)
    assert "The arms were looked at 2 times before the study was closed." in warnings(
        evaluated(looked, QUICK), looked
    )


def test_truncated_answers_mixed_models_and_length_bias_are_told():
    data = study_pack(8, 2)
    assert "1 fine-tuned answer of 8 ended at the token budget." in assess(data, QUICK).warnings
    other = [
        replace(one, adapter_sha256="c" * 64) if one.arm == Arm.FINETUNED else one for one in data.generations
    ]
    assert several_models(replace(data, generations=(*data.generations[:2], *other[2:]))) == [
        "The ratings mix 2 different fine-tuned models in one table."
    ]
    made = evaluated(data, QUICK)
    longer = Adjusted(Estimate(0.5, NA("x")), {"tokens": Estimate(1.0, Interval(0.2, 1.8, "cluster-robust"))}, 60)
    rows = tuple(replace(row, adjusted=longer) if row.outcome.id == "preference" else row for row in made.rows)
    assert length_bias(replace(made, rows=rows))[0].startswith("Longer answers were preferred")
    assert length_bias(made) == []


def test_arms_that_were_not_asked_alike_are_told():
    data = study_pack(8, 2)
    assert asked_unlike(data) == []
    other = tuple(
        replace(one, precision="nf4", sampling={"temperature": 0.1}) if one.arm == Arm.FINETUNED else one
        for one in data.generations
    )
    told = "The arms were not asked alike: they differ in precision and sampling."
    assert asked_unlike(replace(data, generations=other)) == [told]
    assert told in assess(replace(data, generations=other), QUICK).warnings
    unrated = replace(data, generations=(*data.generations, replace(other[1], generation_id="never shown")))
    assert asked_unlike(unrated) == []


def test_the_six_rows_stand_first_and_have_every_column():
    made = assess(study_pack(12, 2), QUICK)
    table = made.readable
    assert [row.outcome for row in table.main] == list(MAIN)
    assert all(len(row.cells) == len(HEAD) for row in table.rows)
    depth = dict(zip(HEAD, table.main[0].cells, strict=True))
    assert (
        depth["cases × raters"] == "12 × 2"
        and depth["Δ (95 % CI)"][0] in "+−0"
        and "Holm" in depth["p (adjusted)"]
    )
    major = dict(zip(HEAD, table.main[3].cells, strict=True))
    assert major["Metric"] == "Answers with a major hallucination (%, lower is better)"
    assert major["Baseline"].endswith(" %")
    assert "answer_right" in [row.outcome for row in table.further]


def test_a_row_without_numbers_gives_its_reason():
    table = readable(evaluated(study_pack(6, 1, full=False), QUICK), ())
    row = next(row for row in table.main if row.outcome == "coherence")
    assert row.reason == "not asked in this study" and row.cells[1:4] == ("–", "–", "–")
    assert any("not asked in this study" in note for note in table.notes)


def test_text_and_markdown_hold_the_same_cells():
    table = assess(study_pack(12, 2), QUICK).readable
    text, markdown = as_text(table), as_markdown(table)
    for row in table.rows:
        assert row.cells[0] in text and "| " + " | ".join(row.cells) + " |" in markdown
    assert all(f"! {warning}" in text and f"- {warning}" in markdown for warning in table.warnings)


def test_a_pair_row_counts_cases():
    row = evaluated(study_pack(12, 2), QUICK).row("preference")
    assert cells(row)[1:3] == (f"{row.losses} of 12", f"{row.wins} of 12")


@pytest.mark.parametrize(("value", "shown"), [(0.04, "0.0"), (-0.04, "0.0"), (0.06, "+0.1"), (-1.25, "−1.2")])
def test_differences_carry_a_sign_only_where_one_shows(value, shown):
    assert signed(value) == shown


def test_numbers_in_words():
    assert (minus(-0.5, 2), p_value(0.00001), p_value(0.0123), p_value(NA("x"))) == (
        "−0.50",
        "<0.001",
        "0.012",
        "–",
    )
    assert (counted(1, "case"), counted(2_000, "case"), counted(2, "person", "people")) == (
        "1 case", "2,000 cases", "2 people",
    )  # fmt: skip
