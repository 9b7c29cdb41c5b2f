"""What the page holds of a rating, and the judgement it becomes. Pure.

The page's form is one JSON object: `q` (question to chosen value, as `data-q` and `value` of the markup),
`both`, `comment`, `reason`, `marks`, `active_ms`, and `at`, where the reader was. It is user input: whatever is
not of this shape is refused in words, never half read.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from medreason.domain.arms import SIDES, Side
from medreason.domain.items import ITEMS, NONE_FOUND, PHASES, Phase
from medreason.domain.judgement import PREFERRED_ON, Given, Guess, Judgement, Preferred
from medreason.errors import MedReasonError
from medreason.services.session_views import ShowingView
from medreason.ui import marks_view
from medreason.ui.rate_items import OFF
from medreason.ui.rate_showing import sheet_id, texts

MISSHAPEN = "Not saved: the page sent something that is no rating. Reload the page; what was kept comes back."
LONGEST_DRAFT = 200_000
"""Characters of JSON; also what the store takes."""


def opening(showing: ShowingView) -> dict[str, Any]:
    """The form as it stands when the sheet opens: the draft, else what was given before, else nothing."""
    draft = showing.draft or {}
    if draft.get("sheet") == sheet_id(showing):
        form = {name: draft[name] for name in _blank() if name in draft}
    elif showing.previous is not None:
        form = given_before(showing.previous)
    else:
        form = {}
    if showing.locked is not None:
        earlier = given_before(showing.locked)["q"]
        form["q"] = {**earlier, **form.get("q", {})}
    return {**_blank(), **form, "sheet": sheet_id(showing), "key": secrets.token_hex(16)}


def _blank() -> dict[str, Any]:
    return {"q": {}, "both": False, "comment": "", "reason": "", "marks": [], "active_ms": 0, "at": {}}


def given_before(judgement: Judgement) -> dict[str, Any]:
    """A stored judgement as the form that gives it again. The time at work is counted anew."""
    chosen = {f"{one.side}:{one.item}": _shown(one.value) for one in judgement.given}
    chosen |= {f"preferred:{one.on}": _shown(one.value) for one in judgement.preferred}
    for name in ("confidence", "familiarity", "guess"):
        value = getattr(judgement, name)
        if value is not None:
            chosen[name] = str(value)
    return {
        "q": chosen,
        "both": judgement.both_unacceptable,
        "comment": judgement.comment,
        "marks": marks_view.shown(judgement.spans),
    }


def _shown(value: int | None) -> str:
    return OFF if value is None else str(value)


def judgement(form: Any, showing: ShowingView) -> Judgement:
    """The form as a judgement of what is shown; raises `MedReasonError` where it is none."""
    if not isinstance(form, Mapping) or not isinstance(form.get("q"), Mapping):
        raise MedReasonError(MISSHAPEN)
    phase = phase_of(form, showing)
    chosen = {str(name): value for name, value in form["q"].items() if value not in (None, "")}
    try:
        return Judgement(
            phase=phase,
            given=_given(chosen, showing if phase is Phase.WITH_TRACE else None),
            spans=marks_view.read(form.get("marks", []), texts(showing)),
            preferred=tuple(
                Preferred(on, _number(chosen[f"preferred:{on}"]))
                for on in PREFERRED_ON
                if f"preferred:{on}" in chosen
            ),
            both_unacceptable=form.get("both") is True,
            confidence=_number(chosen.get("confidence")),
            familiarity=_number(chosen.get("familiarity")),
            guess=Guess(chosen["guess"]) if "guess" in chosen else None,
            comment=_text(form.get("comment")),
            reason=_text(form.get("reason")),
            active_ms=_active(form.get("active_ms")),
            idempotency_key=_text(form.get("key")),
        )
    except (ValueError, TypeError) as fault:
        raise MedReasonError(MISSHAPEN) from fault


def phase_of(form: Mapping[str, Any], showing: ShowingView) -> Phase:
    """The phase that the form was opened for. It may be over by now: a save whose answer was lost is sent
    again, and the store knows it by its key."""
    showing_id, _, rest = str(form.get("sheet")).partition("-")
    phase = rest.rpartition("-")[0]
    if showing_id != str(showing.showing_id) or phase not in list(PHASES[showing.instrument]):
        raise MedReasonError(MISSHAPEN)
    return Phase(phase)


def _given(chosen: Mapping[str, Any], after_lock: ShowingView | None) -> tuple[Given, ...]:
    """Items a side. Earlier scores that the thinking has not changed are not given a second time."""
    locked = after_lock.locked if after_lock else None
    found = []
    for side in SIDES:
        for item in ITEMS:
            value = chosen.get(f"{side}:{item}")
            if value is None or (item == NONE_FOUND.id and str(value) != "1"):
                continue
            number = _number(value)
            if not _unchanged(locked, side, item, number):
                found.append(Given(side, item, number))
    known = {f"{side}:{item}" for side in SIDES for item in ITEMS} | {f"preferred:{on}" for on in PREFERRED_ON}
    if not set(chosen) <= known | {"confidence", "familiarity", "guess"}:
        raise ValueError("an unknown question")
    return tuple(found)


def _unchanged(locked: Judgement | None, side: Side, item: str, value: int | None) -> bool:
    return locked is not None and locked.has(side, item) and locked.value(side, item) == value


def _number(value: Any) -> int | None:
    """A whole number from the page; None for "cannot judge" and for nothing."""
    if value is None or value == OFF:
        return None
    if not isinstance(value, str) or len(value) > 3:
        raise ValueError("not a point of a scale")
    return int(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _active(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 10**9:
        raise ValueError("not a time in milliseconds")
    return int(value)
