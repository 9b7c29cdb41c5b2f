"""A study as its lead sees it: state, answers, raters, warnings, audit; a plan's preview; what is disputed. Pure.

Nothing here names an arm: before unblinding the services speak of X and Y.
"""

import html
from collections.abc import Sequence

from medreason.domain.items import ITEMS, Instrument
from medreason.domain.study import StudyState
from medreason.services.study_views import Disputed, Preview, RaterProgress, StudyEvent, StudyView
from medreason.ui.rate_sheet import escaped
from medreason.ui.study_table import line, table_of

STATES = {
    StudyState.DRAFT: "Draft: nothing is asked of anybody yet",
    StudyState.GENERATING: "Answers are being prepared",
    StudyState.OPEN: "Open: raters can work",
    StudyState.CLOSED: "Closed: every rating is locked, and the sides are told in Results",
}
INSTRUMENTS = {
    Instrument.ESSENTIAL: "Essential: one screen a case, thinking shown at once (about 4 minutes)",
    Instrument.FULL: "Full: answers first, locked, then the thinking (about 8 minutes)",
}
NO_STUDIES = (
    '<div class="mr-empty">No study yet. Fill in the form below, look at the preview, and keep the draft: nobody '
    "is asked anything before you open it.</div>"
)
NO_DISPUTE = '<div class="mr-empty">Nothing is disputed: where two raters gave a value, they gave the same.</div>'
MOST_EVENTS, MOST_WORDS = 200, 90


def study(view: StudyView) -> str:
    """State, answers, raters and what speaks against it, on one page."""
    plan = view.plan
    controls = len(plan.cases) - len(plan.study_cases)
    facts = [
        STATES[view.state],
        f"{len(plan.cases)} cases ({len(plan.study_cases)} to be rated, {controls} controls)",
        INSTRUMENTS[plan.instrument].split(":")[0],
        f"each case by at least {plan.overlap}",
        f"{round(100 * plan.repeat_share)} % repeated with sides swapped",
    ]
    lacking = (
        f'<p class="mr-fault">Still lacks: {html.escape("; ".join(view.lacking))}.</p>' if view.lacking else ""
    )
    sealed = (
        f'<p class="mr-note">Schedule sealed: <code>{view.schedule_sha256[:16]}…</code></p>'
        if view.schedule_sha256
        else ""
    )
    return line(
        f'<div class="study-view"><h2>{html.escape(view.title)}</h2><p>{html.escape(" · ".join(facts))}</p>'
        f"{lacking}"
        f"{_answers(view)}{_raters(view)}{_list('What to mind', view.warnings)}{_list('Single cases', view.flags)}"
        f"{sealed}</div>"
    )


def _answers(view: StudyView) -> str:
    progress = view.generation
    if view.state is StudyState.DRAFT:
        return ""
    percent = round(100 * progress.done / progress.total) if progress.total else 0
    words = f"Answers: {progress.done} of {progress.total} pairs"
    words += f", {progress.failed} failed" if progress.failed else ""
    words += f", {progress.cut_off} cut off" if progress.cut_off else ""
    words += f". {progress.words}" if progress.running and progress.words else "."
    fault = f'<p class="mr-fault">{html.escape(progress.fault)}</p>' if progress.fault else ""
    return (
        f'<p>{html.escape(words)}</p><div class="mr-bar" role="progressbar" aria-label="Answers that are there" '
        f'aria-valuenow="{percent}" aria-valuemin="0" aria-valuemax="100"><span style="width:{percent}%"></span>'
        f"</div>{fault}"
    )


def _raters(view: StudyView) -> str:
    if not view.raters:
        return '<p class="mr-note">No raters yet.</p>'
    rows = "".join(
        f'<tr><th scope="row">{html.escape(one.name)}</th><td>{one.pseudonym}</td>'
        f"<td>{one.done} of {one.total}</td><td>{one.skipped}</td><td>{one.seen_elsewhere}</td>"
        f"<td>{one.minutes_left} min</td><td>{_part(one)}</td></tr>"
        for one in view.raters
    )
    heads = ("Rater", "In exports", "Done", "Skipped", "Seen in Compare", "Time left", "Taking part")
    return table_of(heads, rows)


def _part(one: RaterProgress) -> str:
    return "left" if one.left else "accepted" if one.consented else "not yet"


def preview(found: Preview) -> str:
    """What a plan means for its raters, and what it can show."""
    return line(
        f"<h3>What this means</h3><p>Each rater gets up to {found.showings} cases, practice and repeats among "
        f"them: about {found.minutes} minutes. {found.answers} answers are to be made.</p>{_list('', found.words)}"
    )


def kept(backups: str, rows: Sequence[StudyEvent]) -> str:
    """How old the newest backup is, then the audit."""
    note = f'<p class="mr-note">{html.escape(backups)}</p>'
    return line(note) + (events(rows) if rows else "")


def events(rows: Sequence[StudyEvent]) -> str:
    """Who did what and when, newest first."""
    newest = list(rows)[::-1]
    shown = "".join(
        f'<tr><th scope="row">{one.at[:19].replace("T", " ")}</th><td>{html.escape(one.who)}</td>'
        f"<td>{html.escape(one.action)}</td><td>{escaped(one.reason)}</td></tr>"
        for one in newest[:MOST_EVENTS]
    )
    more = (
        f'<p class="mr-note">{len(newest) - MOST_EVENTS} older ones are in the export.</p>'
        if len(newest) > MOST_EVENTS
        else ""
    )
    return line(table_of(("UTC", "Who", "What", "Why"), shown) + more)


def disputed(rows: Sequence[Disputed]) -> str:
    if not rows:
        return NO_DISPUTE
    shown = "".join(
        f'<tr><th scope="row">{html.escape(one.case_id)}, answer {one.answer}</th>'
        f"<td>{html.escape(one.item_name)}</td><td>{_values(one)}</td><td>{one.spread}</td>"
        f"<td>{'–' if one.adjudicated is None else one.adjudicated}</td></tr>"
        for one in rows
    )
    return line(table_of(("Case", "Question", "Given", "Apart by", "Settled"), shown))


def dispute_choice(one: Disputed) -> tuple[str, str]:
    """One line of the list to settle, and what names it."""
    words = " ".join(one.case.split())
    short = words if len(words) <= MOST_WORDS else words[: MOST_WORDS - 1].rstrip() + "…"
    return f"{one.case_id}, answer {one.answer}: {one.item_name} ({_values(one)}) · {short}", dispute_key(one)


def dispute_key(one: Disputed) -> str:
    return f"{one.case_id}|{one.answer}|{one.sample}|{one.item}"


def points(item: str) -> list[tuple[str, str]]:
    """The values an item can be settled at, with their meaning."""
    known = ITEMS[item]
    return [(f"{value} · {known.meaning(value)}", str(value)) for value in known.values]


def _values(one: Disputed) -> str:
    return ", ".join(f"{rater} {value}" for rater, value in one.values)


def _list(title: str, words: Sequence[str]) -> str:
    head = f"<h3>{title}</h3>" if title and words else ""
    return head + (f"<ul>{''.join(f'<li>{escaped(one)}</li>' for one in words)}</ul>" if words else "")
