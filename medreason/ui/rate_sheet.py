"""The rating sheet: case, both sides with their texts and questions, the questions about the pair. Pure.

One line of markup in one piece, so that a page's Markdown leaves it alone; free text is escaped, answers and
thinking go in as data (`marks_view.passage`). Where the arms are hidden nothing here knows them.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medreason.domain.arms import SIDES, Side
from medreason.domain.items import Instrument, Phase
from medreason.domain.rating import LONGEST_COMMENT, Sides
from medreason.domain.span import Target
from medreason.services.session_views import ShowingView
from medreason.ui import marks_view, rate_form, rate_items
from medreason.ui.rate_showing import side_text

KEYS = (
    "Keys: the digits choose and go on to the next question, arrows move within one, Enter goes on, "
    "0 is “cannot judge”."
)
KEY_B = " B says that neither is acceptable."


@dataclass(frozen=True)
class Frame:
    """What stands around a sheet. `title` heads it, `note` is the line beside; `sides` once they may be known;
    `give` goes with the press that saves; `stay`: drawn again where the reader is."""

    title: str
    note: str = ""
    save: str = "Save and go on"
    act: str = "save"
    leave: str = "Leave; go on later"
    can_skip: bool = True
    sides: Sides | None = None
    stay: bool = False
    give: Mapping[str, Any] = field(default_factory=dict)


def escaped(text: str) -> str:
    """Text as it is, in one line of markup."""
    return html.escape(text).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "&#10;")


def sheet(showing: ShowingView, frame: Frame) -> str:
    marking = showing.phase is Phase.WITH_TRACE
    sides = "".join(_side(showing, side, frame.sides, marking) for side in SIDES)
    form = marks_view.attribute(rate_form.opening(showing))
    place = marks_view.attribute({**frame.give, "showing": showing.showing_id})
    stay = " data-stay" if frame.stay else ""
    return (
        f'<div class="rate-sheet" data-sheet="{form}" data-place="{place}" data-stops{stay}>'
        f"{_top(frame)}{_case(showing)}"
        f'<div class="rate-pair">{sides}</div>{_both(showing)}{_buttons(showing, frame)}'
        f"{marks_view.desk() if marking else ''}</div>"
    )


def _top(frame: Frame) -> str:
    return (
        f'<div class="rate-head"><h2 data-focus tabindex="-1">{html.escape(frame.title)}</h2>'
        f'<span class="mr-note">{html.escape(frame.note)}</span>'
        f'<button type="button" data-act="leave">{html.escape(frame.leave)}</button></div>'
    )


def _case(showing: ShowingView) -> str:
    earlier = "".join(
        f"<b>Asked</b><p>{escaped(question)}</p>"
        f"<b>Left</b><p>{escaped(left.answer) or '–'}</p><b>Right</b><p>{escaped(right.answer) or '–'}</p>"
        for question, left, right in showing.earlier
    )
    if earlier:
        summary = "<summary>Earlier in this conversation</summary>"
        earlier = f'<details class="rate-earlier">{summary}{earlier}</details>'
    chip = f'<span class="mr-chip">{html.escape(showing.specialty)}</span> ' if showing.specialty else ""
    own = f'<p class="mr-note">Your own answer: {escaped(showing.own_answer)}</p>' if showing.own_answer else ""
    text = f'<span class="rate-text">{escaped(showing.case_text)}</span>'
    return f'<div class="rate-case">{earlier}{chip}{text}{own}</div>'


def _side(showing: ShowingView, side: Side, known: Sides | None, marking: bool) -> str:
    questions = rate_items.side_questions(showing.instrument, showing.phase, side)
    return (
        f'<section class="rate-side" aria-label="{side.label}">{head(side, known)}'
        f'<div class="rate-pane">{_thinking(showing, side)}{_answer(showing, side)}</div>'
        f"{marks_view.marks_of(side) if marking else ''}"
        f'<div class="rate-questions">{questions}</div></section>'
    )


def head(side: Side, sides: Sides | None) -> str:
    """The head of a column: the arm once the reader may know it, else only the side."""
    if sides is None:
        return f'<div class="mr-arm"><h3>{side.label}</h3></div>'
    arm = sides.arm(side)
    return f'<div class="mr-arm {arm}"><h3><b>{arm.label}</b></h3><span class="mr-note">{side}</span></div>'


def _thinking(showing: ShowingView, side: Side) -> str:
    shown = side_text(showing, side)
    if showing.phase is Phase.ANSWER_ONLY:
        return '<p class="mr-note">The thinking is shown once these scores are locked.</p>'
    if shown.no_trace or shown.thinking is None:
        return '<p class="mr-note rate-none">No thinking was shown on this side: rate its depth on the answer.</p>'
    text = marks_view.passage(side, Target.TRACE, shown.thinking, shown.thinking_sha256)
    return f'<h4 class="rate-what">Thinking</h4><div class="rate-thought">{text}</div>'


def _answer(showing: ShowingView, side: Side) -> str:
    shown = side_text(showing, side)
    cut = f'<p class="mr-note">{html.escape(shown.cut_off)}</p>' if shown.cut_off else ""
    if not shown.answer:
        return f'<h4 class="rate-what">Answer</h4><p class="mr-note">No answer.</p>{cut}'
    text = marks_view.passage(side, Target.ANSWER, shown.answer, shown.answer_sha256)
    return f'<h4 class="rate-what">Answer</h4>{text}{cut}'


def _both(showing: ShowingView) -> str:
    questions = rate_items.pair_questions(showing.instrument, showing.phase)
    comment = (
        '<label class="rate-typed"><b>Comment</b> <span class="mr-note">Optional. Do not enter what identifies a '
        f'patient.</span><textarea rows="2" maxlength="{LONGEST_COMMENT}" data-comment></textarea>'
        "</label>"
    )
    reason = (
        '<label class="rate-typed"><b>Why do you change it?</b> <span class="q-need">required</span>'
        '<textarea rows="1" maxlength="2000" data-reason></textarea></label>'
        if _is_change(showing)
        else ""
    )
    return f'<div class="rate-both">{questions}{comment}{reason}</div>'


def _is_change(showing: ShowingView) -> bool:
    return showing.previous is not None


def _buttons(showing: ShowingView, frame: Frame) -> str:
    locks = showing.instrument is Instrument.FULL and showing.phase is Phase.ANSWER_ONLY
    words = "Lock these scores and show the thinking" if locks else frame.save
    skip = (
        '<details class="rate-skip"><summary>Skip this case</summary><div data-form><label class="rate-typed">'
        '<span>Why? It comes back once, at the end.</span><textarea rows="1" maxlength="2000" data-field="reason"'
        f'></textarea></label><button type="button" data-act="skip" '
        f'data-give="{marks_view.attribute({"skipped": showing.skipped})}">Skip it</button></div></details>'
        if frame.can_skip and not _is_change(showing)
        else ""
    )
    return (
        f'<div class="rate-buttons rate-foot"><button type="button" class="rate-main" data-act="{frame.act}" '
        f'data-give="{marks_view.attribute(frame.give)}" data-last>{html.escape(words)} '
        '<kbd aria-hidden="true">Enter</kbd></button>'
        '<div class="rate-notice" role="alert"></div></div>'
        f'<p class="mr-note rate-keys">{KEYS}{"" if locks else KEY_B}</p>{skip}'
    )
