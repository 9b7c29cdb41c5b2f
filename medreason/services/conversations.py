"""A user's conversations: listed, opened, their versions leafed through, handed out as files.

Everything that leaves here hides what a blind, unrated pair must hide. Asks nothing of a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medreason.domain.user import Action, User
from medreason.errors import Busy, NotAllowed, NotFound
from medreason.services import conversation_file
from medreason.services.comparing import Comparing
from medreason.services.pair_view import PairView, stored_view
from medreason.storage.conversations import ConversationList
from medreason.storage.pair import Pair
from medreason.storage.pairs import Pairs


@dataclass(frozen=True)
class ConversationLine:
    """One line of the list. It says nothing of the arms; `began_at` is UTC in ISO 8601."""

    conversation_id: int
    began_at: str
    first_question: str
    turns: int
    blinded: bool


@dataclass(frozen=True)
class VersionLine:
    """One version of an earlier turn. `kept` is the one that all later turns were asked on from."""

    pair_id: int
    turn: int
    version: int
    versions: int
    question: str
    kept: bool


class Conversations:
    def __init__(self, pairs: Pairs, kept: ConversationList, comparing: Comparing):
        self._pairs = pairs
        self._kept = kept
        self._comparing = comparing

    def listed(self, user: User) -> tuple[ConversationLine, ...]:
        """The user's conversations, newest first, without those on a case that is closed to the user now."""
        user.require(Action.COMPARE)
        is_closed = self._comparing.desk.closed_to(user)
        return tuple(
            ConversationLine(one.conversation_id, one.created_at, one.first_question, one.turns, one.blinded)
            for one in self._kept.of_user(user.id)
            if not any(is_closed(case_id, *one.questions) for case_id in one.case_ids or {None})
        )

    def open(self, user: User, conversation_id: int) -> list[PairView]:
        """The shown version of every turn, oldest first. Raises `NotFound` for anybody else's conversation,
        `NotAllowed` for one on a case that is closed to the user now."""
        return [self._view(user, pair) for pair in self._own(user, self._pairs.in_conversation(conversation_id))]

    def of_pair(self, user: User, pair_id: int) -> list[PairView]:
        """As `open`, for the conversation to which this pair belongs."""
        return self.open(user, self._pairs.get(pair_id).conversation_id)

    def latest(self, user: User) -> list[PairView]:
        """The turns of the user's newest conversation, or none."""
        newest = self.listed(user)
        return self.open(user, newest[0].conversation_id) if newest else []

    def leaf(self, user: User, pair_id: int, step: int) -> list[PairView]:
        """Show the version of the last turn that lies `step` further than this one, from now on; the first and the
        last stay where they are. Only the shown version can be rated, continued or asked on from."""
        turns = self._own(user, self._pairs.in_conversation(self._pairs.get(pair_id).conversation_id))
        if turns[-1].id != pair_id:
            raise NotFound("The conversation has gone on in another window. Reload the page, then try again.")
        if self._comparing.answering.find(pair_id) is not None:
            raise Busy("This version is still being answered. Stop it, or wait for it.")
        versions = [
            one for one in self._pairs.with_versions(turns[-1].conversation_id) if one.turn == turns[-1].turn
        ]
        place = [one.id for one in versions].index(pair_id) + step
        self._pairs.show(versions[max(0, min(place, len(versions) - 1))].id)
        return self.open(user, turns[-1].conversation_id)

    def versions_before(self, user: User, turns: Sequence[PairView]) -> tuple[VersionLine, ...]:
        """Every version of each turn before the last one that has several, of an open conversation; without those
        on a case that is closed to the user now."""
        several = {turn.turn: turn.pair_id for turn in turns[:-1] if turn.versions > 1}
        if not several:
            return ()
        every = _owned(user, self._pairs.with_versions(turns[-1].conversation_id))
        is_closed = self._comparing.desk.closed_to(user)
        return tuple(
            VersionLine(one.id, one.turn, one.version, one.versions, one.question, several[one.turn] == one.id)
            for one in every
            if one.turn in several and not is_closed(one.case_id, one.question)
        )

    def look(self, user: User, pair_id: int) -> PairView:
        """One version, to be read; which version is shown, rated and asked on from stays as it is."""
        (pair,) = self._own(user, (self._pairs.get(pair_id),))
        return self._view(user, pair)

    def as_markdown(self, user: User, conversation_id: int) -> bytes:
        """Every version of every turn, to be read by people."""
        return conversation_file.markdown(self._all(user, conversation_id)).encode("utf-8")

    def as_json(self, user: User, conversation_id: int) -> bytes:
        """Every version of every turn, to be read by programs."""
        return conversation_file.json_text(self._all(user, conversation_id)).encode("utf-8")

    def _all(self, user: User, conversation_id: int) -> list[PairView]:
        return [self._view(user, pair) for pair in self._own(user, self._pairs.with_versions(conversation_id))]

    def _view(self, user: User, pair: Pair) -> PairView:
        """What is stored of a pair that still speaks is half of it, and would tell how fast each side is. A rater
        is never told the names of models: the next study may be on the same."""
        live = self._comparing.answering.find(pair.id)
        view = live.glance() if live is not None else stored_view(pair)
        return view.unnamed() if user.compares_blind_only else view

    def _own(self, user: User, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        is_closed = self._comparing.desk.closed_to(user)
        if any(is_closed(pair.case_id, pair.question) for pair in _owned(user, pairs)):
            raise NotAllowed("This conversation is on a case of a study that is being rated. Open it afterwards.")
        return pairs


def _owned(user: User, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    user.require(Action.COMPARE)
    if not pairs or pairs[0].user_id != user.id:
        raise NotFound("That conversation is not yours or no longer there. Start a new one.")
    return pairs
