"""Rating a live pair from Compare: opens it as a sheet, saves it, and then tells the sides."""

from collections.abc import Mapping
from typing import Any

from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.rating import RatingService, Waiting
from medreason.services.session_views import LiveSaved
from medreason.ui import rate_form, rate_markup, rate_screens
from medreason.ui.rate_screens import Shown
from medreason.ui.rate_sheet import Frame, sheet
from medreason.ui.rate_showing import sheet_id

NO_NAME = "Not saved yet: write your name above. What you have given is kept."
FIRST = "Your name stays in this program; exports show a pseudonym."


class LivePairs:
    def __init__(self, rating: RatingService):
        self._rating = rating

    def waiting(self, user: User, rater: str) -> tuple[Waiting, ...]:
        return self._rating.waiting(user, rater)

    def open(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """The pair with an empty form, with a draft, or with what this rater gave before. Somebody without a name
        is asked for it first, since what they fill in is kept under it."""
        pair_id = int(asked["pair"])
        if not rater.strip():
            self._rating.known_sides(user, "", pair_id)  # refused here, if at all
            return Shown(rate_screens.name_first(), place=f"name {pair_id}")
        return Shown(self._sheet(user, rater, pair_id), place=f"live {pair_id} {rater.strip()}")

    def save(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """Store it; the sheet is drawn again with the sides told."""
        if not rater.strip():
            raise MedReasonError(NO_NAME)
        pair_id = int(asked["pair"])
        given = rate_form.judgement(asked.get("form"), self._rating.open_live(user, rater, pair_id))
        done = self._rating.submit_live(user, rater, pair_id, given, asked.get("identifiers_ok") is True)
        waiting = self.waiting(user, rater)
        more = rate_markup.button("Next pair", "pair", pair=waiting[0].pair_id) if waiting else ""
        return Shown(
            self._sheet(user, rater, pair_id, done),
            saved(done, len(waiting)),
            more,
            f"live {pair_id} {rater.strip()}",
        )

    def rename(self, user: User, old: str, new: str, pair_id: int) -> Shown:
        """The same pair for another name. What nobody has saved yet goes along, so that a mistyped name costs
        nothing; somebody's saved rating stays theirs."""
        before, after = (self._rating.open_live(user, name, pair_id) for name in (old, new))
        if before.previous is None and before.draft and after.previous is None and not after.draft:
            self._rating.save_live_draft(user, new, pair_id, {**before.draft, "sheet": sheet_id(after)})
        return self.open(user, new, {"pair": pair_id})

    def keep(self, user: User, rater: str, pair_id: int, draft: dict[str, Any]) -> None:
        if rater.strip():
            self._rating.save_live_draft(user, rater, pair_id, draft)

    def _sheet(self, user: User, rater: str, pair_id: int, done: LiveSaved | None = None) -> str:
        showing = self._rating.open_live(user, rater, pair_id)
        note = FIRST
        if showing.previous is not None and done is None:
            note = (
                f"You rated this pair. A change is kept as revision {showing.revision_no + 1}, beside the first."
            )
        frame = Frame(
            title="Rate this pair",
            note=note,
            save="Save a change" if showing.previous is not None else "Save rating",
            act="rated",
            give={"pair": pair_id},
            leave="Back to what waits",
            can_skip=False,
            sides=done.sides if done else self._rating.known_sides(user, rater, pair_id),
            stay=done is not None,
        )
        return rate_markup.screen("live", sheet(showing, frame))


def saved(done: LiveSaved, waiting: int) -> str:
    """What was stored, what was hidden until now, and what to do next."""
    revision = done.receipt.revision_no
    again = f" as revision {revision}; the first is kept" if revision > 1 else ""
    sides = f" Left was {done.sides.left.label}, right was {done.sides.right.label}." if done.blinded else ""
    left = "1 pair waits" if waiting == 1 else f"{waiting} pairs wait"
    step = f"{left}: press Next pair." if waiting else "No other pair waits: see the table in Results."
    return f"Saved{again}.{sides} {step}"
