"""Whether raters favour a side: on comparisons, and on the scores of an axis."""

from collections.abc import Iterable, Sequence

from medreason.domain.arms import Side
from medreason.stats.estimate import NA
from medreason.stats.preference import SideBias, side_bias
from medreason.stats.records import PairRecord
from medreason.stats.showings import Showing


def sides_of_pairs(pairs: Iterable[PairRecord]) -> SideBias:
    """How often each side was preferred."""
    given = [(one.case_id, -one.left_right) for one in pairs if one.left_right is not None]
    return _counted(given)


def sides_of_scores(item: str, showings: Sequence[Showing]) -> SideBias | NA:
    """On how many showings each side got the higher score on one item; NA where sides were not recorded."""
    leads = []
    for showing in showings:
        left, right = (
            [one.value for one in showing.on_side(item, side) if one.value is not None]
            for side in (Side.LEFT, Side.RIGHT)
        )
        if left and right:
            leads.append((showing.case, sum(left) / len(left) - sum(right) / len(right)))
    return _counted(leads) if leads else NA("sides were not recorded")


def _counted(leads: Sequence[tuple[str, float]]) -> SideBias:
    """`leads`: case, and by how much the left was better."""
    left, right = sum(lead > 1e-9 for _, lead in leads), sum(lead < -1e-9 for _, lead in leads)
    return side_bias(left, right, len(leads) - left - right, len({case for case, _ in leads}))
