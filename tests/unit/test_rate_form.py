"""The page's form becomes a judgement, or is refused in words; what was given opens again as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.arms import Side
from medreason.domain.items import Instrument, Phase
from medreason.domain.judgement import Given, Guess, Judgement, Preferred
from medreason.errors import MedReasonError
from medreason.ui import rate_form
from tests.showings import showing

SCORES = {"left:D": "2", "left:F": "3", "left:H": "na", "right:D": "5", "right:F": "4", "right:H": "1"}
WHOLE = {**SCORES, "left:none_found": "1", "right:none_found": "1", "preferred:overall": "-2"}


def form(of=None, **changed):
    return {**rate_form.opening(of or showing()), "q": WHOLE, **changed}


def test_a_whole_form_lacks_nothing_and_says_what_was_chosen():
    read = rate_form.judgement(form(both=True, comment="note", active_ms=1234.6), showing())
    assert read.lacking(Instrument.ESSENTIAL) == ()
    assert read.value(Side.LEFT, "D") == 2 and read.has(Side.LEFT, "H") and read.value(Side.LEFT, "H") is None
    assert read.preference() == -2 and read.both_unacceptable and read.comment == "note"
    assert read.active_ms == 1234 and len(read.idempotency_key) == 32


def test_an_empty_form_gives_nothing_and_nothing_is_preselected():
    opened = rate_form.opening(showing())
    assert opened["q"] == {} and opened["marks"] == []
    assert len(rate_form.judgement(opened, showing()).lacking(Instrument.ESSENTIAL)) == 9


def test_a_tick_taken_back_does_not_count_as_looked():
    read = rate_form.judgement(form(q={**WHOLE, "left:none_found": "0"}), showing())
    assert not read.has(Side.LEFT, "none_found")


def test_what_was_given_opens_again_as_it_was():
    first = rate_form.judgement(form(both=True, comment="hers"), showing())
    again = showing(previous=first, revision_no=1)
    opened = rate_form.opening(again)
    assert (opened["q"], opened["both"], opened["comment"], opened["reason"]) == (WHOLE, True, "hers", "")
    assert opened["active_ms"] == 0
    assert rate_form.judgement(opened, again).given == first.given


def test_a_draft_comes_back_and_an_old_one_of_another_revision_does_not():
    draft = form(comment="half")
    opened = rate_form.opening(showing(draft=draft))
    assert opened["comment"] == "half" and opened["key"] != draft["key"]
    assert rate_form.opening(showing(draft=draft, revision_no=1))["comment"] == ""


def test_earlier_scores_stand_in_the_form_and_only_changed_ones_are_given_again():
    locked = Judgement(Phase.ANSWER_ONLY, given=(Given(Side.LEFT, "F", 3), Given(Side.RIGHT, "F", None)))
    now = showing(instrument=Instrument.FULL, locked=locked)
    opened = rate_form.opening(now)
    assert opened["q"] == {"left:F": "3", "right:F": "na"}
    assert rate_form.judgement(opened, now).given == ()
    opened["q"]["left:F"] = "2"
    assert rate_form.judgement(opened, now).given == (Given(Side.LEFT, "F", 2),)


def test_confidence_familiarity_guess_and_axes_are_read():
    more = {"confidence": "4", "familiarity": "1", "guess": "dk", "preferred:D": "3", "preferred:F": "na"}
    read = rate_form.judgement(form(q={**WHOLE, **more}), showing())
    assert (read.confidence, read.familiarity, read.guess) == (4, 1, Guess.DONT_KNOW)
    assert read.preferred == (Preferred("overall", -2), Preferred("D", 3), Preferred("F", None))


@pytest.mark.parametrize(
    "changed",
    [
        {"q": None},
        {"q": {"left:D": "6"}},
        {"q": {"left:D": "0"}},
        {"q": {"left:D": 3}},
        {"q": {"left:D": True}},
        {"q": {"left:D": "x"}},
        {"q": {"left:D": "1" * 400}},
        {"q": {"middle:D": "3"}},
        {"q": {"left:nonsense": "3"}},
        {"q": {"preferred:overall": "4"}},
        {"q": {"guess": "baseline"}},
        {"q": {"confidence": "9"}},
        {"marks": {}},
        {"comment": 7},
        {"comment": "x" * 20_001},
        {"comment": "\ud800"},
        {"comment": "nul \x00"},
        {"active_ms": -1},
        {"active_ms": float("nan")},
        {"active_ms": "1"},
        {"active_ms": 10**12},
        {"key": ["k"]},
        {"sheet": "8-with_trace-0"},
        {"sheet": "7-answer_only-0"},
        {"sheet": None},
    ],
)
def test_a_form_of_another_shape_is_refused_in_words(changed):
    with pytest.raises(MedReasonError) as refusal:
        rate_form.judgement(form(**changed), showing())
    assert str(refusal.value)[-1] == "."


def test_a_save_sent_again_after_its_answer_was_lost_is_the_same_judgement():
    sent = form()
    once = rate_form.judgement(sent, showing())
    assert rate_form.judgement(sent, showing(previous=once, revision_no=1)) == once

    before = showing(instrument=Instrument.FULL, phase=Phase.ANSWER_ONLY)
    sent = form(before, q={"left:F": "3"})
    locked = rate_form.judgement(sent, before)
    assert rate_form.judgement(sent, showing(instrument=Instrument.FULL, locked=locked)) == locked


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(
    json_values, st.dictionaries(st.sampled_from(sorted(rate_form.opening(showing()))), json_values, max_size=4)
)
def test_nothing_that_a_page_may_send_is_more_than_refused(whole, changed):
    for sent in (whole, {**form(), **changed}):
        try:
            rate_form.judgement(sent, showing())
        except MedReasonError:
            pass
