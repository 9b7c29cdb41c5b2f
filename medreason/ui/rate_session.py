"""A rating session in a study: which screen follows what was pressed. Knows no arms, no storage, no markup."""

from collections.abc import Mapping
from typing import Any

from medreason.domain.rater import NOTHING_TOLD, RaterFacts
from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.session_views import Invitation, Receipt, ShowingView
from medreason.services.sessions import RatingSessions
from medreason.ui import rate_about, rate_feedback, rate_form, rate_markup, rate_screens
from medreason.ui.rate_screens import Shown
from medreason.ui.rate_sheet import Frame, sheet

LOCKED = (
    "Locked and saved. The thinking is shown now; your earlier scores may still be changed, and both are kept."
)


class StudySessions:
    """Each method is one press: who, under which name, and what the page sent with it."""

    def __init__(self, sessions: RatingSessions):
        self._sessions = sessions

    def invitations(self, user: User, rater: str) -> tuple[Invitation, ...]:
        return self._sessions.invitations(user, rater) if rater.strip() else ()

    def go(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """The next case; first, once, the text about taking part."""
        study = str(asked["study"])
        invited = self._invited(user, rater, study)
        if invited.needs_consent:
            return Shown(rate_screens.consent(invited, self.facts(user, rater)), place=f"consent {study}")
        return self._next(user, rater, study, "")

    def accept(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        facts = rate_about.read(asked)
        self._sessions.accept(user, rater, str(asked["study"]), str(asked["sha256"]))
        if facts.told:
            self._sessions.tell_about(user, rater, facts)
        return self.go(user, rater, asked)

    def facts(self, user: User, rater: str) -> RaterFacts:
        return self._sessions.about(user, rater) if rater.strip() else NOTHING_TOLD

    def about(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        return Shown(rate_about.page(self.facts(user, rater)), place=f"about {rater.strip()}")

    def tell(self, user: User, rater: str, asked: Mapping[str, Any]) -> None:
        self._sessions.tell_about(user, rater, rate_about.read(asked))

    def own(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """The rater's own answer is in: both sides are shown. An empty one declines."""
        sure = str(asked.get("confidence") or "")
        text, sure_of = str(asked.get("text") or ""), int(sure) if sure else None
        sent = (user, rater, int(asked["showing"]), text, sure_of)
        self._sessions.own_answer(*sent, identifiers_ok=asked.get("identifiers_ok") is True)
        return self._opened(self._sessions.open(user, rater, int(asked["showing"])))

    def save(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """Store a phase; what follows is the thinking, feedback, the next case, or the list that was left."""
        showing = self._sessions.open(user, rater, int(asked["showing"]))
        given = rate_form.judgement(asked.get("form"), showing)
        sure = asked.get("identifiers_ok") is True
        receipt = self._sessions.submit(user, rater, showing.showing_id, given, sure)
        if not receipt.done:
            return self._opened(self._sessions.open(user, rater, showing.showing_id), LOCKED)
        if receipt.feedback is not None:
            told = rate_feedback.feedback(showing, given, receipt.feedback)
            return Shown(told, "Saved.", place=f"study {showing.study}")
        if receipt.revision_no > 1:
            return self._finished(user, rater, showing.study, saved(receipt))
        return self._next(user, rater, showing.study, saved(receipt))

    def skip(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        showing = self._sessions.open(user, rater, int(asked["showing"]))
        reason = str(asked.get("reason") or "")
        if not reason.strip():
            raise MedReasonError("Not skipped yet: say why in a few words.")
        sure = asked.get("identifiers_ok") is True
        before = int(asked["skipped"])
        self._sessions.skip(user, rater, showing.showing_id, reason, identifiers_ok=sure, skipped_before=before)
        return self._next(user, rater, showing.study, "Skipped; the reason is kept.")

    def finished(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        return self._finished(user, rater, str(asked["study"]), "")

    def open(self, user: User, rater: str, asked: Mapping[str, Any]) -> Shown:
        """A finished case, to be changed."""
        return self._opened(self._sessions.open(user, rater, int(asked["showing"])))

    def keep(self, user: User, rater: str, showing_id: int, draft: dict[str, Any]) -> None:
        self._sessions.save_draft(user, rater, showing_id, draft)

    def _invited(self, user: User, rater: str, study: str) -> Invitation:
        for one in self.invitations(user, rater):
            if one.study == study:
                return one
        raise MedReasonError(
            "No study of this name waits for you. Check the name above, or ask who leads the study."
        )

    def _next(self, user: User, rater: str, study: str, said: str) -> Shown:
        showing = self._sessions.next(user, rater, study)
        if showing is None:
            invited = self._invited(user, rater, study)
            return Shown(rate_screens.end(invited), said, place=f"end {study}")
        return self._opened(showing, said)

    def _finished(self, user: User, rater: str, study: str, said: str) -> Shown:
        rows = self._sessions.finished(user, rater, study)
        listed = rate_screens.finished(self._invited(user, rater, study), rows)
        return Shown(listed, said, place=f"finished {study}")

    def _opened(self, showing: ShowingView, said: str = "") -> Shown:
        place = f"study {showing.study} {showing.showing_id}"
        title, note = heading(showing)
        if showing.asks_own_answer:
            return Shown(rate_screens.own_answer(showing, title, note), said, place=place)
        change = showing.previous is not None
        frame = Frame(
            title=title,
            note=note,
            save="Save the change" if change else "Save and go on",
            give={"study": showing.study},
            leave="Leave without a change" if change else "Leave; go on later",
        )
        return Shown(rate_markup.screen("case", sheet(showing, frame)), said, place=place)


def heading(showing: ShowingView) -> tuple[str, str]:
    """What heads a case, and the line beside it."""
    where = f"{showing.position} of {showing.total}"
    if showing.practice:
        return f"{showing.title} · practice case {where}", "Not counted. You are told afterwards what others gave."
    if showing.previous is not None:
        return (
            f"{showing.title} · case {where}",
            "You have rated this case. The first rating stays beside a change.",
        )
    return f"{showing.title} · case {where}", rate_screens.minutes(showing.minutes_left)


def saved(receipt: Receipt) -> str:
    if receipt.revision_no > 1:
        return f"Saved as revision {receipt.revision_no}; what you gave before is kept."
    return "Saved."
