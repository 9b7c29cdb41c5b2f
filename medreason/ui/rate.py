"""The Rate tab: who is rating, the screen they are at, and what each press asks for.

The page holds one screen of markup and three hidden fields. What changes the screen comes through one of them, in
order, as JSON that names the act and the rater; drafts come through another; the third says which screen is open
and for whom, so that saving still works after the server was restarted under an open page. Nothing here knows
arms or storage.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from medreason.domain.user import Role, User
from medreason.errors import MedReasonError
from medreason.services.services import Services
from medreason.services.typed import LikelyIdentifiers
from medreason.ui import rate_draft, rate_screens
from medreason.ui.asking import Asking, shown
from medreason.ui.rate_live import LivePairs
from medreason.ui.rate_screens import Shown
from medreason.ui.rate_session import StudySessions

UNCHANGED = gr.skip()
# All that goes in and out is text as it is, held to be such by `web`: Gradio would spend a thread on each field.
PRIVATE: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "preprocess": False,
    "postprocess": False,
}
DRAFT_REST_S = 0.3
"""Drafts that come while one is being kept are put together into one."""
UNKNOWN = "The page asked for something that is not there. Reload it; what was kept comes back."


@dataclass
class RateTab:
    """What page.py wires. `show(request, pair_id, name)` opens a live pair for whoever is named in `name`."""

    name: gr.Textbox
    show: Callable[..., Any]
    show_outputs: list[Any]
    restore: Callable[..., Any]
    restore_outputs: list[Any]


def build(services: Services, ask: Asking) -> RateTab:
    live, studies = LivePairs(services.rating), StudySessions(services.sessions)
    name = gr.Textbox(
        "",
        label="Who is rating?",
        info="Your name stays in this program. Exports only show a pseudonym such as R01.",
        max_length=64,
        interactive=False,  # until it is known who rated last, who would otherwise replace what is typed
        elem_id="rater-name",
    )
    stage = gr.Markdown(sanitize_html=False, latex_delimiters=[], container=False, elem_id="rate-stage")
    reply = gr.Markdown(sanitize_html=False, container=False, elem_id="rate-reply")
    place = gr.Textbox("", visible="hidden", elem_id="rate-place")
    send = gr.Textbox("", visible="hidden", elem_id="rate-send")
    draft = gr.Textbox("", visible="hidden", elem_id="rate-draft")
    drawn = [stage, reply, place]

    def desk(user: User, rater: str, asked: Mapping[str, Any] | None = None) -> Shown:
        if asked is not None and "form" in asked:
            keep_draft(user, rater, asked)
        waiting = (studies.invitations(user, rater), live.waiting(user, rater))
        screen = rate_screens.desk(*waiting, rater, studies.facts(user, rater))
        return Shown(screen, place=f"desk {rater.strip()}")

    def told(user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        studies.tell(user, rater, asked)
        return replace(desk(user, rater), said="Kept.")

    def keep_draft(user: User, rater: str, asked: Mapping[str, Any]) -> str:
        """Returns what to say about it: nothing, mostly."""
        kept, said = rate_draft.storable(asked.get("form"))
        if "pair" in asked:
            live.keep(user, rater, int(asked["pair"]), kept)
        else:
            studies.keep(user, rater, int(asked["showing"]), kept)
        return said

    def named(user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """Another name: that person's desk, or the pair that was waiting for a name. A pair that is open stays
        open for whoever is named now, with what they gave before."""
        kind, _, rest = str(asked["place"]).partition(" ")
        pair_id, _, by = rest.partition(" ")
        if kind == "name" and rater.strip():
            return live.open(user, rater, {"pair": pair_id})
        if kind == "live" and rater.strip() and by != rater.strip():
            return live.rename(user, by, rater, int(pair_id))
        if kind in ("live", "name") or (kind == "desk" and rest == rater.strip()):
            return Shown()
        return desk(user, rater)

    def refresh(user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """The desk as it is now; what is open stays."""
        return desk(user, rater) if str(asked["place"]).startswith("desk") else Shown()

    acts: dict[str, Callable[[User, str, Mapping[str, Any]], Shown]] = {
        "named": named,
        "refresh": refresh,
        "leave": desk,
        "pair": live.open,
        "rated": live.save,
        "go": studies.go,
        "accept": studies.accept,
        "own": studies.own,
        "save": studies.save,
        "skip": studies.skip,
        "finished": studies.finished,
        "open": studies.open,
        "about": studies.about,
        "told": told,
    }

    def updates(after: Shown, number: Any = 0) -> list[Any]:
        screen = UNCHANGED if after.screen is None else after.screen
        return [screen, rate_screens.reply(after.said, True, number, after.more), after.place or UNCHANGED]

    def refused(words: str, number: Any = 0, more: str = "") -> list[Any]:
        """The reply alone changes, so that nothing given is lost."""
        return [UNCHANGED, rate_screens.reply(words, False, number, more), UNCHANGED]

    @shown
    def act(request: gr.Request, sent: str, now: str) -> list[Any]:
        """Whatever was pressed, or typed as the name; `now` is the place that is open."""
        asked = _read(sent)
        if asked is None:
            return [UNCHANGED] * 3
        number = asked.get("n")
        try:
            user = ask.user(request)
            rater = _name(user, str(asked.get("rater") or ""))
            return updates(acts[str(asked.get("act"))](user, rater, {**asked, "place": now or ""}), number)
        except LikelyIdentifiers as warning:
            return refused(str(warning), number, rate_screens.SAVE_ANYWAY)
        except MedReasonError as fault:
            return refused(str(fault), number)
        except (KeyError, TypeError, ValueError):
            return refused(UNKNOWN, number)

    @shown
    async def keep(request: gr.Request, sent: str) -> Any:
        """What is filled in so far. Silent where all is well."""
        await asyncio.sleep(DRAFT_REST_S)
        asked = _read(sent)
        if asked is None:
            return UNCHANGED

        def kept() -> str:
            user = ask.user(request)
            return keep_draft(user, _name(user, str(asked.get("rater") or "")), asked)

        try:
            said = await asyncio.to_thread(kept)
        except MedReasonError as fault:
            return rate_screens.reply(f"What you have filled in is not kept yet: {fault}", False, 0)
        except (KeyError, TypeError, ValueError):
            return UNCHANGED
        return rate_screens.reply(said, False, 0) if said else UNCHANGED

    @shown
    def show(request: gr.Request, pair_id: Any, rater: str | None = None) -> list[Any]:
        """Open a pair chosen in Compare; without a name, for whoever rated last."""
        if not pair_id:
            return [UNCHANGED] * 3
        user = ask.user(request)
        who = _name(user, rater or "") or services.rating.last_rater_name(user)
        try:
            return updates(live.open(user, who, {"pair": pair_id}))
        except MedReasonError as fault:
            return refused(str(fault))

    @shown
    def restore(request: gr.Request) -> list[Any]:
        user = ask.user(request)
        rater = _name(user, "") or services.rating.last_rater_name(user)
        name_now = gr.Textbox(rater or "", interactive=user.role is not Role.RATER)
        return [name_now, *updates(desk(user, rater))]

    send.change(act, [send, place], drawn, **PRIVATE, trigger_mode="multiple")
    draft.change(keep, [draft], [reply], **PRIVATE, trigger_mode="always_last")
    return RateTab(name, show, drawn, restore, [name, *drawn])


def _name(user: User, rater: str) -> str:
    """Under which name this login rates: raters are themselves."""
    return user.name if user.role is Role.RATER else rater or ""


def _read(sent: str) -> dict[str, Any] | None:
    """What the page sent, if it is an object at all."""
    try:
        asked = json.loads(sent) if sent else None
    except ValueError:
        return None
    return asked if isinstance(asked, dict) else None
