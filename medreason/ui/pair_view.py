"""A pair as the Rate tab draws it. Pure: values in, markup or labels out.

Text goes in escaped and on one line, so that the page's Markdown never parses it; line breaks are
character references. An answer's own Markdown is turned into markup here, without HTML, images or links:
a model's words make no request. Where the arms are hidden nothing here knows them.
"""

import html

from markdown_it import MarkdownIt

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import SIDES, Side
from medreason.domain.instrument import AXES, CANNOT_JUDGE, PREFERENCES, SCALES, Axis
from medreason.domain.rating import Rating, Score, Sides
from medreason.services.rating import RatingView, Saved, Waiting

NONE = "na"
MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
MARKDOWN.disable(["image", "link", "autolink", "reference", "entity"])
SCORES = tuple((side, axis) for side in SIDES for axis in AXES)
CHOICES = {
    axis: [(f"{i} · {words}", str(i)) for i, words in enumerate(scale.points, 1)] + [(CANNOT_JUDGE, NONE)]
    for axis, scale in SCALES.items()
}
PREFERENCE = [(words, str(value)) for value, words in PREFERENCES.items()] + [("Cannot judge", NONE)]
NOTHING_WAITS = (
    '<div class="mr-empty">Nothing waits to be rated. Open Compare, ask a case, let both answers come to '
    "their end, then come back here or press Rate this pair.</div>"
)


def escaped(text: str) -> str:
    """Text as it is, in one line of markup."""
    return html.escape(text).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "&#10;")


def label(side: Side, axis: Axis) -> str:
    return f"{side.label}: {SCALES[axis].name.lower()}"


def choice(waiting: Waiting) -> tuple[str, int]:
    """One line of the list."""
    words = " ".join(waiting.question.split())
    short = words if len(words) <= 70 else words[:69].rstrip() + "…"
    name = f"{waiting.case_id} · " if waiting.case_id else ""
    return f"{name}{short} · {waiting.created_at[:10]} {waiting.created_at[11:16]} UTC", waiting.pair_id


def case_text(view: RatingView) -> str:
    name = f'<span class="mr-chip">{html.escape(view.case_id)}</span> ' if view.case_id else ""
    earlier = "".join(
        f"<b>Asked</b><p>{escaped(question)}</p>"
        f"<b>Left</b><p>{escaped(left.text) or '–'}</p><b>Right</b><p>{escaped(right.text) or '–'}</p>"
        for question, left, right in view.earlier
    )
    if earlier:
        summary = "<summary>Earlier in this conversation</summary>"
        earlier = f'<details class="rate-earlier">{summary}{earlier}</details>'
    return f'<div class="rate-case">{earlier}{name}<span class="rate-text">{escaped(view.question)}</span></div>'


def head(side: Side, sides: Sides | None) -> str:
    """The head of a column: the arm once the reader may know it, else only the side."""
    if sides is None:
        return f'<div class="mr-arm"><h2>{side.label}</h2></div>'
    arm = sides.arm(side)
    return f'<div class="mr-arm {arm}"><h2><b>{arm.label}</b></h2><span class="mr-note">{side}</span></div>'


def thinking(side: Side, answer: Answer) -> str:
    if not answer.thought:
        return '<div class="mr-note rate-none">No thinking was shown on this side.</div>'
    return (
        '<details class="rate-thought" open><summary>Thinking</summary>'
        f'<div class="rate-text" tabindex="0" role="region" aria-label="{side.label}: thinking">'
        f"{escaped(answer.thinking)}</div></details>"
    )


def answer(said: Answer) -> str:
    words = MARKDOWN.render(said.text).replace("\n", "&#10;") if said.text else "<i>No answer.</i>"
    return f'<div class="rate-words">{words}</div>'


def ending(answer: Answer) -> str:
    """A line below the answer where it did not end by itself."""
    if answer.finish is not Finish.LENGTH:
        return ""
    where = "inside its thinking" if answer.thought and not answer.closed else "inside its answer"
    return f'<div class="mr-note">Cut off at the longest allowed length, {where}.</div>'


def filled(rating: Rating | None) -> list[str | None]:
    """Values of the six scales and the preference; nothing is preselected without a rating."""
    if rating is None:
        return [None] * (len(SCORES) + 1)
    values = [rating.value(side, axis) for side, axis in SCORES] + [rating.preference]
    return [NONE if value is None else str(value) for value in values]


def missing(name: str, values: list[str | None]) -> str:
    """One sentence that names what is not given yet, or nothing."""
    wanted = [] if name.strip() else ["who is rating"]
    wanted += [label(*one) for one, value in zip(SCORES, values, strict=False) if value is None]
    wanted += ["which answer is better"] if values[-1] is None else []
    if not wanted:
        return ""
    return f"Not saved yet, still to give: {'; '.join(wanted)}. What you have given is kept."


def rating(values: list[str | None], comment: str, key: str) -> Rating:
    """The form as a rating; every value is given."""
    numbers = [None if value in (None, NONE) else int(str(value)) for value in values]
    scores = tuple(Score(side, axis, number) for (side, axis), number in zip(SCORES, numbers, strict=False))
    return Rating(scores, numbers[-1], comment, key)


def saved(done: Saved, waiting: int) -> str:
    """What was stored, what was hidden until now, and what to do next."""
    again = f" as revision {done.revision}; the first is kept" if done.revision > 1 else ""
    sides = f" Left was {done.sides.left.label}, right was {done.sides.right.label}." if done.blinded else ""
    left = "1 pair waits" if waiting == 1 else f"{waiting} pairs wait"
    step = f"{left}: press Next pair." if waiting else "No other pair waits: see the table in Results."
    return f"Saved{again}.{sides} {step}"
