"""The rating sheet as drawn: every point in words, nothing preselected, nothing that tells the arms."""

import pytest

from medreason.domain.arms import SIDES, Arm, Side
from medreason.domain.instrument import PREFERENCES
from medreason.domain.items import ITEMS, OPTIONAL, PHASES, REQUIRED, Instrument, Phase
from medreason.domain.judgement import Judgement
from medreason.domain.rating import Sides
from medreason.ui import rate_sheet
from medreason.ui.rate_sheet import Frame, sheet
from tests.showings import Tags, showing, side

FRAME = Frame("Nephrology pilot · case 8 of 40", "about 25 minutes left")
STEPS = [(instrument, phase) for instrument, phases in PHASES.items() for phase in phases]


def drawn(instrument=Instrument.ESSENTIAL, phase=Phase.WITH_TRACE, frame=FRAME, **given) -> Tags:
    return Tags(sheet(showing(instrument=instrument, phase=phase, **given), frame))


@pytest.mark.parametrize(("instrument", "phase"), STEPS)
def test_every_item_of_a_phase_is_asked_once_a_side_with_all_its_points(instrument, phase):
    tags = drawn(instrument, phase)
    asked = [a["data-q"] for a in tags.all("fieldset")]
    assert len(asked) == len(set(asked))
    for item in (*REQUIRED[instrument, phase], *OPTIONAL[instrument, phase]):
        for place in SIDES:
            (field,) = tags.all("fieldset", data_q=f"{place}:{item.id}")
            assert ("data-required" in field) == (item in REQUIRED[instrument, phase] or item.id == "none_found")
            if item.id != "none_found":
                values = [a["value"] for a in tags.all("input", name=f"q-{place}:{item.id}")]
                assert values == [*map(str, item.values), "na"]
                assert all(words in tags.text for words in item.points)


@pytest.mark.parametrize(("instrument", "phase"), STEPS)
def test_nothing_is_preselected_and_every_point_has_its_key(instrument, phase):
    tags = drawn(instrument, phase)
    choices = [a for a in tags.all("input")]
    assert choices and not any("checked" in a for a in choices)
    assert all("aria-keyshortcuts" in a for a in choices)


def test_the_preference_has_seven_points_in_words_and_cannot_judge_apart():
    tags = drawn()
    assert [a["value"] for a in tags.all("input", name="q-preferred:overall")] == [*map(str, PREFERENCES), "na"]
    assert all(words in tags.text for words in PREFERENCES.values())
    assert len([a for a in tags.all("input") if "data-both" in a]) == 1


def test_before_the_lock_no_thinking_and_no_preference_is_in_the_page():
    tags = drawn(Instrument.FULL, Phase.ANSWER_ONLY)
    assert [doc["target"] for doc in tags.data("data-passage")] == ["answer", "answer"]
    assert not tags.all("fieldset", data_q="preferred:overall") and "Lock these scores" in tags.text


def test_after_the_lock_the_thinking_comes_with_the_answers():
    tags = drawn(Instrument.FULL, Phase.WITH_TRACE, locked=Judgement(Phase.ANSWER_ONLY))
    assert [doc["target"] for doc in tags.data("data-passage")] == ["trace", "answer"] * 2
    assert tags.all("fieldset", data_q="guess") and tags.all("fieldset", data_q="confidence")


def test_a_side_without_thinking_says_so_and_asks_the_same():
    tags = drawn(left=side(thinking=""))
    assert "No thinking was shown on this side" in tags.text
    assert tags.all("fieldset", data_q="left:D")


def test_a_change_asks_why_and_cannot_be_skipped():
    before = Judgement(Phase.WITH_TRACE)
    assert "Why do you change it?" in drawn(previous=before, revision_no=1).text
    assert not drawn(previous=before, revision_no=1).all("button", data_act="skip")
    assert drawn().all("button", data_act="skip")


def test_the_sheet_is_one_line_and_free_text_stays_text():
    hostile = "</div>\n\n<script>x</script> $$a$$\r\n| b |"
    tags = drawn(case_text=hostile, specialty="<i>x</i>")
    markup = sheet(showing(case_text=hostile, specialty="<i>x</i>"), FRAME)
    assert "\n" not in markup and "\r" not in markup
    assert not tags.all("script") and not tags.all("i") and "<script>x</script>" in tags.text


def test_the_two_sides_are_asked_alike_and_look_alike():
    markup = sheet(showing(), FRAME)
    left, right = markup.split('<section class="rate-side" aria-label="')[1:]
    right = right.split('<div class="rate-both">')[0].removesuffix("</div>")
    assert left.replace("left", "right").replace("Left", "Right") == right


def test_heads_name_the_arm_only_once_it_may_be_known():
    heads = [rate_sheet.head(one, None) for one in SIDES]
    assert heads[0].replace("Left", "") == heads[1].replace("Right", "")
    assert "Fine-tuned" in rate_sheet.head(Side.LEFT, Sides(Arm.FINETUNED))
    for word in ("baseline", "fine-tuned model</", "adapter", "token"):
        assert word not in sheet(showing(), FRAME).lower()


def test_every_item_of_the_export_is_asked_somewhere():
    asked = {item.id for step in STEPS for item in (*REQUIRED[step], *OPTIONAL[step])}
    assert asked == set(ITEMS)
