"""What is told after a practice case: the scores that careful raters gave, and why. Pure."""

import html
from collections.abc import Mapping

from medreason.domain.arms import SIDES, Side
from medreason.domain.instrument import PREFERENCES, SCALES, Axis
from medreason.domain.items import ITEMS
from medreason.domain.judgement import Judgement
from medreason.domain.span import SEVERITIES
from medreason.services.session_views import Feedback, ShowingView
from medreason.ui import rate_markup
from medreason.ui.rate_sheet import escaped


def feedback(showing: ShowingView, given: Judgement, told: Feedback) -> str:
    """The screen between a practice case and the next one."""
    close = (
        "Your scores are close to theirs."
        if not told.differs
        else "Where you differ by more than a point is set bold."
    )
    mine = _all_given(showing.locked, given)
    rows = "".join(_row(item, mine, told) for item in dict.fromkeys(one.item for one in told.expected))
    marks = "".join(
        f"<li>{one.side.label}: “{escaped(one.quote)}” · {html.escape(one.type.words)} · "
        f"{html.escape(SEVERITIES[one.severity])}</li>"
        for one in told.marks
    )
    found = f"<h3>What was to be marked</h3><ul>{marks}</ul>" if marks else ""
    why = "".join(f"<p>{escaped(words)}</p>" for words in told.why)
    preferred = html.escape(PREFERENCES[told.preference])
    button = rate_markup.button("Go on", "go", True, study=showing.study)
    return rate_markup.screen(
        "feedback",
        f"{rate_markup.heading(f'{showing.title} · how this practice case is rated')}<p>{close} Nothing here is "
        f'counted.</p><div class="rate-wide"><table class="mr-table"><thead><tr><th scope="col">Question</th>'
        '<th scope="col">Left: you</th><th scope="col">Left: careful raters</th><th scope="col">Right: you</th>'
        f'<th scope="col">Right: careful raters</th></tr></thead><tbody>{rows}</tbody></table></div>'
        f"<p>All in all they said: {preferred}.</p>{found}<h3>Why</h3>{why}"
        f'<div class="rate-buttons">{button}</div>{rate_markup.NOTICE}',
    )


def _all_given(locked: Judgement | None, given: Judgement) -> dict[tuple[Side, str], int | None]:
    """What the rater said of each side: now, or before the thinking was shown."""
    both = (*(locked.given if locked else ()), *given.given)
    return {(one.side, one.item): one.value for one in both}


def _row(item: str, given: Mapping[tuple[Side, str], int | None], told: Feedback) -> str:
    cells = ""
    for side in SIDES:
        mine = _words(item, given[side, item]) if (side, item) in given else "–"
        if (str(side), item) in told.differs:
            mine = f"<b>{mine}</b>"
        cells += f"<td>{mine}</td><td>{_expected(told, side, item)}</td>"
    return f'<tr><th scope="row">{html.escape(ITEMS[item].name)}</th>{cells}</tr>'


def _expected(told: Feedback, side: Side, item: str) -> str:
    return next((_words(item, one.value) for one in told.expected if (one.side, one.item) == (side, item)), "–")


def _words(item: str, value: int | None) -> str:
    """A point as it is spoken of: by its number where the scale has numbers, else in words."""
    if value is None:
        return "cannot judge"
    numbered = len(ITEMS[item].points) == len(SCALES[Axis.DEPTH].points)
    return str(value) if numbered else html.escape(ITEMS[item].meaning(value))
