"""What a rater is told after a practice case."""

from collections.abc import Iterable

from medreason.data.practice import PracticeCase
from medreason.domain.judgement import Given
from medreason.services.session_views import Feedback

CLOSE_ENOUGH = 1


def feedback_on(practice: PracticeCase, given_now: Iterable[Given]) -> Feedback:
    """What a careful rater gives to the items that were asked, and where this one was more than a point away. Of
    an item given twice the later value counts."""
    given = {(one.side, one.item): one.value for one in given_now}
    asked = {item for _, item in given}
    expected = tuple(one for one in practice.expected if one.item in asked)
    differs = tuple(
        (str(one.side), one.item)
        for one in expected
        if one.value is not None
        and (value := given.get((one.side, one.item))) is not None
        and abs(value - one.value) > CLOSE_ENOUGH
    )
    return Feedback(expected, practice.marks, practice.preference, practice.why, differs)
