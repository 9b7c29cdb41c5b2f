"""The screens around the rating sheet: the desk with what waits, consent, own answer, feedback, the end. Pure.

Every screen is one line of markup; its buttons say by `data-act` and `data-give` what they ask for.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medreason.domain.items import CONFIDENCE, Instrument
from medreason.domain.rater import NOTHING_TOLD, RaterFacts
from medreason.domain.study import StudyState
from medreason.services.rating import Waiting
from medreason.services.session_views import FinishedShowing, Invitation, ShowingView
from medreason.ui import rate_about, rate_items
from medreason.ui.marks_view import attribute
from medreason.ui.rate_markup import NOTICE, button, heading, screen
from medreason.ui.rate_sheet import escaped

MOST_PAIRS = 8
KINDS = {
    Instrument.ESSENTIAL: "one screen a case",
    Instrument.FULL: "answers first, then the thinking",
}
NO_STUDY = (
    '<div class="mr-empty">No study waits for you under this name. Who leads a study adds its raters in Studies, '
    "by the name that they write above.</div>"
)
NO_PAIR = (
    '<div class="mr-empty">Nothing waits to be rated. Open Compare, ask a case, let both answers come to '
    "their end, then come back here or press Rate this pair.</div>"
)
NO_NAME = '<div class="mr-empty">Write your name above to see the studies that wait for you.</div>'


@dataclass(frozen=True)
class Shown:
    """What follows a press: a screen, or None where the page stays as it is, and what is said. `more` is markup
    behind the words; `place` says which screen is open, and for whom."""

    screen: str | None = None
    said: str = ""
    more: str = ""
    place: str = ""


SAVE_ANYWAY = ' <button type="button" data-again>It identifies nobody: save it as it is</button>'


def minutes(count: float) -> str:
    whole = max(1, round(count))
    return f"about {whole} {'minute' if whole == 1 else 'minutes'} left"


def progress(done: int, total: int, left: float) -> str:
    """How far somebody is, in words."""
    if done >= total:
        return f"{total} of {total}, all done"
    return f"{done} of {total}, {minutes(left)}"


def bar(done: int, total: int) -> str:
    percent = round(100 * done / total) if total else 0
    return (
        f'<div class="mr-bar" role="progressbar" aria-label="Cases done" aria-valuenow="{percent}" '
        f'aria-valuemin="0" aria-valuemax="100"><span style="width:{percent}%"></span></div>'
    )


def desk(
    invitations: Sequence[Invitation], pairs: Sequence[Waiting], rater: str, facts: RaterFacts = NOTHING_TOLD
) -> str:
    """What waits for this person: studies first, then pairs from Compare."""
    studies = "".join(_invitation(one) for one in invitations) or (NO_STUDY if rater.strip() else NO_NAME)
    first = "".join(_pair(one) for one in pairs[:MOST_PAIRS])
    rest = "".join(_pair(one) for one in pairs[MOST_PAIRS:])
    more = f"<details><summary>Older ones ({len(pairs) - MOST_PAIRS})</summary>{rest}</details>" if rest else ""
    waiting = f"<h2>Pairs from Compare ({len(pairs)})</h2>{first or NO_PAIR}{more}"
    about = rate_about.line(facts) if rater.strip() else ""
    return screen("desk", f"{heading('Your studies')}{studies}{waiting}{about}{NOTICE}")


def _invitation(one: Invitation) -> str:
    title = html.escape(one.title)
    words = [progress(one.done, one.total, one.minutes_left), KINDS[one.instrument]]
    if one.state is not StudyState.OPEN:
        words.append("closed")
    buttons = ""
    if one.state is StudyState.OPEN and one.done < one.total:
        begun = "Go on" if one.done else "Begin"
        buttons += button(begun, "go", True, f"{begun}: {one.title}", study=one.study)
    if one.done:
        buttons += button(f"What you have rated ({one.done})", "finished", study=one.study)
    return (
        f'<article class="mr-card rate-invite"><div><h3>{title}</h3><p>{html.escape(" · ".join(words))}</p>'
        f'{bar(one.done, one.total)}</div><div class="rate-buttons">{buttons}</div></article>'
    )


def _pair(one: Waiting) -> str:
    flat = " ".join(one.question.split())
    short = flat if len(flat) <= 110 else flat[:109].rstrip() + "…"
    when = _when(one.created_at)
    return (
        f'<div class="rate-waits"><span>{escaped(short)} <span class="mr-note">{when}</span></span>'
        f"{button('Rate', 'pair', label=f'Rate: {short}', pair=one.pair_id)}</div>"
    )


def _when(utc: str) -> str:
    return f"{utc[:10]} {utc[11:16]} UTC"


def name_first() -> str:
    """Before a live pair: what is filled in is kept under a name, so the name comes first."""
    return screen(
        "name",
        f"{heading('Rate this pair')}<p>Write your name above and press Enter. Then both answers are shown.</p>"
        f'<div class="rate-buttons">{button("Back to what waits", "leave")}</div>{NOTICE}',
    )


def consent(invited: Invitation, facts: RaterFacts = NOTHING_TOLD) -> str:
    """The texts to read before the first case, as the lead wrote them, and once the rater's profession."""
    take_part = button(
        "I have read this and take part", "accept", True, study=invited.study, sha256=invited.consent_sha256
    )
    texts = "".join(
        f'<div class="mr-card rate-text rate-consent">{escaped(text)}</div>'
        for text in (invited.ethics, invited.consent)
        if text.strip()
    )
    about = "" if facts.told else f"<h3>About you</h3>{rate_about.fields(facts)}"
    return screen(
        "consent",
        f"{heading(invited.title)}<p>Before the first case, please read what this study is and what becomes of "
        f'your ratings.</p>{texts}<div data-form class="rate-ask">{about}<div class="rate-buttons">{take_part}'
        f"{button('Not now', 'leave')}</div></div>{NOTICE}",
    )


def own_answer(showing: ShowingView, title: str, note: str) -> str:
    """What the rater thinks before anything of the models is shown; they may leave it empty."""
    sure = rate_items.question(
        "confidence",
        "How sure are you?",
        [(str(n), words) for n, words in enumerate(CONFIDENCE, 1)],
        required=False,
    )
    chip = f'<span class="mr-chip">{html.escape(showing.specialty)}</span> ' if showing.specialty else ""
    give = attribute({"study": showing.study, "showing": showing.showing_id})
    typed = '<textarea rows="2" maxlength="4000" data-field="text"></textarea>'
    return screen(
        "own",
        f'<div class="rate-head">{heading(title)}<span class="mr-note">{html.escape(note)}</span></div>'
        f'<div class="rate-case">{chip}<span class="rate-text">{escaped(showing.case_text)}</span></div>'
        '<div class="rate-own" data-form data-stops><label class="rate-typed"><b>Your own answer, in a line</b> '
        f'<span class="q-need">may stay empty</span>{typed}</label>{sure}<div class="rate-buttons">'
        f'<button type="button" class="rate-main" data-act="own" data-give="{give}" data-last>Show both answers'
        "</button>"
        f"{button('Leave; go on later', 'leave')}</div></div>{NOTICE}",
    )


def finished(invited: Invitation, rows: Sequence[FinishedShowing]) -> str:
    """What has been submitted, to be looked at again and changed."""
    listed = "".join(
        f'<div class="rate-waits"><span>{one.position}. {escaped(" ".join(one.case.split()))} '
        f'<span class="mr-note">{_when(one.submitted_at)}</span></span>'
        f"{button('Open', 'open', label=f'Open case {one.position}', showing=one.showing_id)}</div>"
        for one in rows
    )
    return screen(
        "finished",
        f"{heading(f'{invited.title}: what you have rated')}<p>Open one to change it. The first rating is kept "
        f'beside the change.</p>{listed}<div class="rate-buttons">{button("Back", "leave")}</div>{NOTICE}',
    )


def end(invited: Invitation) -> str:
    return screen(
        "end",
        f"{heading(f'{invited.title}: done')}<p>All {invited.total} cases are done, and every rating is saved. "
        "Thank you. Which side was which is told when the lead has closed the study.</p>"
        f'<div class="rate-buttons">{button("Back to your studies", "leave", True)}'
        f"{button('What you have rated', 'finished', study=invited.study)}</div>{NOTICE}",
    )


def reply(words: str, ok: bool, number: Any, more: str = "") -> str:
    """What the program says to something pressed; `number` names it."""
    kind, role = ("", "status") if ok else (" mr-fault", "alert")
    n = number if isinstance(number, int) else 0
    told = f'data-n="{n}" data-ok="{int(ok)}"'
    return f'<div class="mr-status{kind}" role="{role}" {told}>{html.escape(words)}{more}</div>'
