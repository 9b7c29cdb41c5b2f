"""Practice cases are whole: sources, values on their scales, marks on words that are there."""

from medreason import demo
from medreason.data.practice import load_practice
from medreason.domain.arms import SIDES, Side
from medreason.domain.case import CaseKind
from medreason.domain.items import REQUIRED, Instrument
from medreason.domain.span import Target
from medreason.text.identifiers import likely_identifiers

PRACTICE = load_practice(demo.PRACTICE)


def test_two_practice_cases_come_with_the_program():
    assert len(PRACTICE) == 2
    for one in PRACTICE:
        assert one.case.kind is CaseKind.PRACTICE and one.case.source and one.case.reference_answer and one.why
        assert likely_identifiers(one.case.text) == ()
        assert all(one.answer(side).thinking and one.answer(side).text for side in SIDES)


def test_they_say_what_a_careful_rater_gives_to_every_item_of_both_instruments():
    asked = {item.id for (_, items) in REQUIRED.items() for item in items}
    for one in PRACTICE:
        for side in SIDES:
            assert {given.item for given in one.expected if given.side is side} == asked
    assert {Instrument.ESSENTIAL, Instrument.FULL} == {instrument for instrument, _ in REQUIRED}


def test_their_marks_lie_on_the_side_that_is_worse_and_fit_its_text():
    for one in PRACTICE:
        worse = Side.RIGHT if one.preference < 0 else Side.LEFT
        assert one.marks and {mark.side for mark in one.marks} == {worse}
        for mark in one.marks:
            answer = one.answer(mark.side)
            assert mark.fits(answer.thinking if mark.target is Target.TRACE else answer.text)
