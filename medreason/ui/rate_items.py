"""The questions of the rating sheet as markup: each point with its meaning and its key. Pure.

A question is a real group of radio buttons. The digit on a point chooses it (0 stands for "cannot judge") and
goes on to the next question; `static/rate.js` does that, and reads the answers by `data-q`.
"""

import html
from collections.abc import Iterable, Sequence

from medreason.domain.arms import Side
from medreason.domain.instrument import PREFERENCES
from medreason.domain.items import (
    CONFIDENCE,
    FAMILIARITY,
    HARM_LIKELIHOOD,
    NONE_FOUND,
    OPTIONAL,
    REQUIRED,
    SUB_ITEMS,
    Instrument,
    Item,
    Phase,
)
from medreason.domain.judgement import OVERALL, PREFERRED_ON, Guess, axis_name

OFF = "na"
"""What the page sends for "cannot judge"."""

Options = Sequence[tuple[str, str]]


def question(
    name: str,
    title: str,
    options: Options,
    *,
    label: str = "",
    hint: str = "",
    off: tuple[str, str] | None = None,
    required: bool = True,
    look: str = "",
) -> str:
    """One group of radio buttons. `options` are values with their words, in the order of the keys 1, 2, 3 …;
    `off` stands apart below them on the key 0; `label` is what a screen reader says in place of `title`."""
    points = "".join(_point(name, str(key), value, words) for key, (value, words) in enumerate(options, 1))
    if off:
        points += _point(name, "0", *off, kind=" q-off")
    need = '<span class="q-need">required</span>' if required else '<span class="q-need">optional</span>'
    below = f'<p class="q-hint">{html.escape(hint)}</p>' if hint else ""
    return (
        f'<fieldset class="q {look}" role="radiogroup" aria-label="{html.escape(label or title)}" '
        f'data-q="{name}"{" data-required" if required else ""}><div class="q-head"><b>{html.escape(title)}</b> '
        f'{need}</div>{below}<div class="q-points">{points}</div></fieldset>'
    )


def _point(name: str, key: str, value: str, words: str, kind: str = "") -> str:
    return (
        f'<label class="q-point{kind}"><input type="radio" name="q-{name}" value="{html.escape(value)}" '
        f'aria-keyshortcuts="{key}"><kbd aria-hidden="true">{key}</kbd><span>{html.escape(words)}</span></label>'
    )


def item_question(side: Side, item: Item, *, required: bool, look: str = "") -> str:
    """One item about one side."""
    return question(
        f"{side}:{item.id}",
        item.name,
        [(str(value), item.meaning(value)) for value in item.values],
        label=f"{side.label}: {item.name.lower()}",
        hint=item.hint,
        off=(OFF, item.cannot_judge) if item.cannot_judge else None,
        required=required,
        look=look,
    )


def looked(side: Side) -> str:
    """The tick that says that this side was searched; a mark does in its place."""
    name = f"{side}:{NONE_FOUND.id}"
    return (
        f'<fieldset class="q q-tick" role="group" aria-label="{side.label}: {NONE_FOUND.name.lower()}" '
        f'data-q="{name}" data-tick data-required><div class="q-head"><b>{NONE_FOUND.name}</b> '
        '<span class="q-need">required: a mark above, or this tick</span></div>'
        f'<p class="q-hint">{html.escape(NONE_FOUND.hint)}</p><div class="q-points"><label class="q-point">'
        '<input type="checkbox" value="1" aria-keyshortcuts="1"><kbd aria-hidden="true">1</kbd>'
        f"<span>{html.escape(NONE_FOUND.points[1])}</span></label></div></fieldset>"
    )


def side_questions(instrument: Instrument, phase: Phase, side: Side) -> str:
    """What is asked about one side in this phase: required first, the rest folded."""
    asked = [item_question(side, item, required=True) for item in REQUIRED[instrument, phase]]
    optional = OPTIONAL[instrument, phase]
    if NONE_FOUND in optional:
        asked.append(looked(side))
    again = [item for item in optional if item not in (NONE_FOUND, HARM_LIKELIHOOD, *SUB_ITEMS)]
    parts = [item for item in optional if item in SUB_ITEMS]
    if again:
        asked.append(_fold("Your earlier scores: change what the thinking has changed", _items(side, again)))
    if HARM_LIKELIHOOD in optional:
        asked.append(_fold("How likely is the harm (optional)", _items(side, [HARM_LIKELIHOOD])))
    if parts:
        asked.append(_fold("Parts of the reasoning (optional)", _items(side, parts, "q-row")))
    return "".join(asked)


def _items(side: Side, items: Iterable[Item], look: str = "") -> str:
    return "".join(item_question(side, item, required=False, look=look) for item in items)


def _fold(title: str, inside: str) -> str:
    return f'<details class="rate-more"><summary>{html.escape(title)}</summary>{inside}</details>'


def preference(on: str, *, required: bool) -> str:
    title = "Which answer is better, all in all?" if on == OVERALL else f"Better on {axis_name(on)}"
    return question(
        f"preferred:{on}",
        title,
        [(str(value), words) for value, words in PREFERENCES.items()],
        off=(OFF, "Cannot judge"),
        required=required,
        look="q-wide",
    )


BOTH_BAD = (
    '<label class="q-both"><input type="checkbox" data-both aria-keyshortcuts="b"><kbd aria-hidden="true">B</kbd>'
    "<span>Neither is acceptable: I would let no colleague act on either (optional)</span></label>"
)


def pair_questions(instrument: Instrument, phase: Phase) -> str:
    """What is asked about both sides together, once the thinking has been shown."""
    if phase is Phase.ANSWER_ONLY:
        return ""
    full = instrument is Instrument.FULL
    by_axis = "".join(preference(on, required=False) for on in PREFERRED_ON if on != OVERALL)
    familiar = _sure("familiarity", "How well do you know this field?", FAMILIARITY, required=False)
    sure = _sure("confidence", "How sure are you of these scores?", CONFIDENCE, required=full)
    asked = [preference(OVERALL, required=True), BOTH_BAD]
    if full:
        asked += [sure, guess(), _fold("By axis, and how well you know the field (optional)", by_axis + familiar)]
    else:
        asked.append(_fold("By axis, how sure you are, your field (optional)", by_axis + sure + familiar))
    return "".join(asked)


def _sure(name: str, title: str, points: Sequence[str], *, required: bool) -> str:
    return question(name, title, [(str(n), words) for n, words in enumerate(points, 1)], required=required)


def guess() -> str:
    return question(
        "guess",
        "Which side do you take for the fine-tuned model?",
        [(str(Guess.LEFT), "Left"), (str(Guess.RIGHT), "Right")],
        hint="A guess is enough. It only tells how well the sides were hidden, and changes no score.",
        off=(str(Guess.DONT_KNOW), "I don't know"),
        look="q-wide",
    )
