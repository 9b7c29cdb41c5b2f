"""What the parts of the rating sheet ask of a showing, whether it belongs to a study or is a live pair."""

from medreason.domain.arms import SIDES, Side
from medreason.domain.span import Target
from medreason.services.session_views import ShowingView, SideText
from medreason.ui.marks_view import Texts


def side_text(showing: ShowingView, side: Side) -> SideText:
    return showing.left if side is Side.LEFT else showing.right


def texts(showing: ShowingView) -> Texts:
    """Every text that the rater sees now, by place, with its hash."""
    found = {}
    for side in SIDES:
        shown = side_text(showing, side)
        found[side, Target.ANSWER] = (shown.answer, shown.answer_sha256)
        if shown.thinking is not None and not shown.no_trace:
            found[side, Target.TRACE] = (shown.thinking, shown.thinking_sha256)
    return found


def sheet_id(showing: ShowingView) -> str:
    """The same as long as the same thing is asked: a draft and the page's own copy belong to it."""
    return f"{showing.showing_id}-{showing.phase}-{showing.revision_no}"
